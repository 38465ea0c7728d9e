//! Evidence lines as this crate writes them, and as a writer of canonical text does: these members in this order, no
//! white space, no escapes but those of quotes and backslashes. Members may follow. Never says what is wrong with a line.
//!
//! Each text is unescaped to where it is hashed, in one pass that also finds the strings of the document.

use super::{Given, LEVELS, Line, PartDigest, strict};
use crate::digest::PART;
use crate::digest::batch::Batch;
use crate::hash::Salt;
use crate::json::Buffers;
use crate::json::escapes::{Marks, SLACK, Undone, undo};
use crate::json::scan::scan_last_members;
use crate::json::text::plain_until;

/// Hexadecimal digits of a part salt.
const SALT: usize = 32;

/// Room to read lines in, reused from one to the next.
#[derive(Default)]
pub(in crate::verify) struct Usual {
    /// The document with its leading zero byte, then the parts.
    messages: Batch,
    /// Quotes and backslashes of the document.
    document: Marks,
    /// Those of the part that was read last.
    part: Marks,
    /// Where in the line the names of the parts stand.
    names: Vec<(usize, usize)>,
    /// Of the members that follow.
    last: Buffers,
}

impl Usual {
    /// What the line says, its digests computed. `None` when it is not a usual one.
    pub(super) fn read<'a>(
        &'a mut self,
        line: &'a [u8],
    ) -> Option<Line<'a, impl Iterator<Item = Given<'a>>>> {
        // What is longer the strict reader refuses.
        u32::try_from(line.len()).ok()?;
        self.messages.clear();
        self.names.clear();
        let document_end = self.document(line)?;
        let parts_end = self.parts(line, document_end)?;
        let proof = match &line[parts_end..] {
            b"}" | b"}\n" => None,
            last => proof(last, &mut self.last).ok()?,
        };
        self.messages.hash();
        let document = &self.messages.message(0)[1..];
        // The texts of the parts are UTF-8 if what they were unescaped from is: an escape neither begins nor ends within
        // a character.
        let parts = &line[document_end..parts_end];
        if !parts.is_ascii() {
            std::str::from_utf8(parts).ok()?;
        }
        let messages = &self.messages;
        let parts = self.names.iter().zip(1..);
        Some(Line {
            document: std::str::from_utf8(document).ok()?,
            known: Some((self.document.places(), messages.digest(0))),
            parts: parts.map(|(&(start, end), index)| Given {
                name: &line[start..end],
                digest: PartDigest::Computed(messages.digest(index)),
            }),
            proof,
        })
    }

    /// Index behind the document.
    fn document(&mut self, line: &[u8]) -> Option<usize> {
        let start = behind(line, 0, b"{\"document\":\"")?;
        let room = self.messages.open(1 + line.len() - start + SLACK);
        room[0] = 0;
        let Undone {
            behind: end,
            length,
        } = undo(line, start, &mut room[1..], &mut self.document)?;
        self.messages.close(1 + length);
        Some(end)
    }

    /// Index behind the parts.
    fn parts(&mut self, line: &[u8], at: usize) -> Option<usize> {
        let mut at = behind(line, at, b",\"parts\":{")?;
        if line.get(at) == Some(&b'}') {
            return Some(at + 1);
        }
        loop {
            at = self.part(line, at)?;
            match line.get(at)? {
                b',' => at += 1,
                b'}' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// Index behind the part that begins at `at`.
    fn part(&mut self, line: &[u8], at: usize) -> Option<usize> {
        let start = behind(line, at, b"\"")?;
        let end = plain_until(line, start);
        let name = &line[start..end];
        let at = behind(line, end, b"\":{\"salt\":\"")?;
        let salt = Salt::from_digits(line.get(at..at + SALT)?)?;
        let text = behind(line, at + SALT, b"\",\"text\":\"")?;

        let before = PART.len() + salt.0.len() + name.len() + 1;
        let room = self.messages.open(before + line.len() - text + SLACK);
        let (mut prefix, room) = room.split_at_mut(before);
        for piece in [PART, &salt.0[..], name, b"\n"] {
            let (place, rest) = prefix.split_at_mut(piece.len());
            place.copy_from_slice(piece);
            prefix = rest;
        }
        let Undone { behind: at, length } = undo(line, text, room, &mut self.part)?;
        self.messages.close(before + length);
        self.names.push((start, end));
        behind(line, at, b"}")
    }
}

/// Index behind `expected`, if that stands at `at`. Its length is known, so that no call compares it.
#[inline]
fn behind<const N: usize>(line: &[u8], at: usize, expected: &[u8; N]) -> Option<usize> {
    (line.get(at..)?.first_chunk()? == expected).then_some(at + N)
}

/// There is something about a line that the strict reader must see.
struct Unusual;

/// The proof that the members behind the parts have, if they have one.
fn proof<'a>(last: &'a [u8], buffers: &'a mut Buffers) -> Result<Option<&'a str>, Unusual> {
    let tree = scan_last_members(last, LEVELS, buffers).map_err(|_| Unusual)?;
    if tree.faulty {
        return Err(Unusual);
    }
    let mut proof = None;
    for (name, value) in strict::members(&tree, tree.root).ok_or(Unusual)? {
        match name {
            "document" | "parts" => return Err(Unusual),
            "proof" => proof = Some(strict::text(&tree, value).ok_or(Unusual)?),
            _ => {}
        }
    }
    Ok(proof)
}
