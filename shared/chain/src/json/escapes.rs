//! Undoing the two escapes that evidence is full of, `\"` and `\\`, sixty-four bytes at a time. Never undoes another
//! escape, never judges whether the bytes are UTF-8: for both it leaves the string to the strict reader.

use super::bits::{Bits, PLACES};

/// A block, and what may be read or written beyond it.
const WINDOW: usize = 2 * PLACES;

/// Bytes copied together, since runs between escapes are mostly shorter. What is copied beyond a run is overwritten by
/// the next one.
const RUN: usize = 16;

/// Room that [`undo`] needs beyond what it writes.
pub(crate) const SLACK: usize = WINDOW;

/// Where a string ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undone {
    /// Index behind the closing quote.
    pub(crate) behind: usize,
    /// How many bytes were written.
    pub(crate) length: usize,
}

/// Where what is escaped stands in a text. Its room is reused from one text to the next.
#[derive(Default)]
pub(crate) struct Marks {
    /// Longer than what is used of it, and never shortened.
    places: Vec<usize>,
    count: usize,
}

impl Marks {
    pub(crate) fn places(&self) -> &[usize] {
        &self.places[..self.count]
    }

    /// Room for those of another block.
    #[inline]
    fn open(&mut self) -> Option<&mut [usize; PLACES]> {
        let room = self.count + PLACES;
        if self.places.len() < room {
            self.places.resize(2 * room, 0);
        }
        self.places[self.count..].first_chunk_mut()
    }
}

/// Writes what the string whose first character stands at `start` says to the beginning of `to`, and where what was
/// escaped of it stands to `marks`. `None` when the string has other escapes, control characters or no end, or
/// when there is no room.
pub(crate) fn undo(
    source: &[u8],
    start: usize,
    to: &mut [u8],
    marks: &mut Marks,
) -> Option<Undone> {
    marks.count = 0;
    let mut base = start;
    let mut length = 0;
    let mut escaped = false;
    let mut last = [0; WINDOW];
    loop {
        let from = window(source, base, &mut last)?;
        let block = Block::read(from, escaped)?;
        let room = to.get_mut(length..)?.first_chunk_mut()?;
        let (written, escapes) = block.write(from, room, length, marks.open()?);
        length += written;
        marks.count += escapes;
        if block.ends {
            return Some(Undone {
                behind: base + block.end + 1,
                length,
            });
        }
        escaped = block.starts >> (PLACES - 1) == 1;
        base += PLACES;
    }
}

/// What stands in a block.
struct Block {
    /// A bit for the backslash that begins each escape.
    starts: u64,
    /// Place of the closing quote, otherwise the block's end.
    end: usize,
    ends: bool,
}

impl Block {
    /// `escaped`: whether the first byte belongs to an escape of the block before.
    #[inline]
    fn read(from: &[u8; WINDOW], escaped: bool) -> Option<Self> {
        let block: &[u8; PLACES] = from.first_chunk()?;
        let escaped = u64::from(escaped);
        let Bits {
            quotes,
            backslashes,
            control,
        } = Bits::of(block);
        let starts = starts(backslashes & !escaped);
        let closing = quotes & !(starts << 1 | escaped);
        let end = closing.trailing_zeros();
        let ends = closing != 0;
        let before = if ends {
            (closing & closing.wrapping_neg()) - 1
        } else {
            !0
        };
        let starts = starts & before;
        let (end, last) = (end as usize, matches!(from[PLACES], b'"' | b'\\'));
        let unknown = (starts << 1) & !(quotes | backslashes) != 0;
        let unknown_last = starts >> (PLACES - 1) == 1 && !last;
        let control = control && block[..end].iter().any(|byte| *byte < 0x20);
        (!unknown && !unknown_last && !control).then_some(Self { starts, end, ends })
    }

    /// Writes the block without the backslashes that begin escapes, and to `marks` where what they escape stands in a
    /// text whose first `before` bytes were written already; returns how many bytes and how many escapes these are.
    #[inline]
    fn write(
        &self,
        from: &[u8; WINDOW],
        to: &mut [u8; WINDOW],
        before: usize,
        marks: &mut [usize; PLACES],
    ) -> (usize, usize) {
        let (mut run, mut count) = (0, 0);
        let mut starts = self.starts;
        while starts != 0 {
            let place = starts.trailing_zeros() as usize;
            copy(from, run, to, run - count, place - run);
            marks[count] = before + place - count;
            count += 1;
            // What is escaped begins the next run.
            run = place + 1;
            starts &= starts - 1;
        }
        // An escape at the end leaves nothing of the block behind it.
        let left = self.end - run.min(self.end);
        copy(from, run, to, run - count, left);
        (run - count + left, count)
    }
}

/// The backslashes that begin an escape: all, except those that are escaped themselves.
#[inline]
fn starts(backslashes: u64) -> u64 {
    if backslashes & backslashes << 1 == 0 {
        return backslashes;
    }
    let (mut left, mut starts) = (backslashes, 0);
    while left != 0 {
        let first = left & left.wrapping_neg();
        starts |= first;
        left &= !(first | first << 1);
    }
    starts
}

/// The bytes that begin at `base`; at the end of the source put into `last`, which is zero behind them.
#[inline]
fn window<'w>(
    source: &'w [u8],
    base: usize,
    last: &'w mut [u8; WINDOW],
) -> Option<&'w [u8; WINDOW]> {
    let rest = source.get(base..)?;
    if let Some(window) = rest.first_chunk() {
        return Some(window);
    }
    *last = [0; WINDOW];
    last[..rest.len()].copy_from_slice(rest);
    Some(last)
}

/// Copies at least `length` bytes; neither `start` nor `at` nor `length` is beyond a block.
#[inline]
fn copy(from: &[u8; WINDOW], start: usize, to: &mut [u8; WINDOW], at: usize, length: usize) {
    let from = &from[start..start + PLACES];
    let to = &mut to[at..at + PLACES];
    to[..RUN].copy_from_slice(&from[..RUN]);
    if length > RUN {
        to[RUN..].copy_from_slice(&from[RUN..]);
    }
}

#[cfg(test)]
mod tests;
