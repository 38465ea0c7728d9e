//! Tiles: the tree cut into pieces that are fetched as files
//! (<https://c2sp.org/tlog-tiles>, height 8).
//!
//! A tile of level `l` holds up to 256 roots of complete subtrees of `256^l`
//! leaves; on level 0 these are the entry hashes themselves. Paths have no
//! prefix here: each chain has its own. Nothing here fetches or stores.

pub mod bundle;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::Hash;
use crate::tree;

/// Hashes in a full tile, documents in a full entry bundle.
pub const WIDTH: u16 = 256;

/// Tree levels in a tile.
const HEIGHT: u32 = 8;

/// The highest level that a path may name.
const TOP_LEVEL: u8 = 63;

/// A path or the bytes of a tile or bundle that no tree has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Error {
    /// Not a path of a tile or an entry bundle, or not the one way to write it.
    #[error("not the path of a tile or entry bundle")]
    Path,
    /// Bytes that are not what the tile or bundle must hold.
    #[error("not the bytes of this tile or entry bundle")]
    Bytes,
    /// A document is longer than 65,535 bytes; the format allows none.
    #[error("a document over 65,535 bytes does not fit an entry bundle")]
    Document,
}

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// Documents: an entry bundle, beside the tile of level 0 of the same index.
    Entries,
    /// Hashes of this level, 0 to 63.
    Hashes(u8),
}

/// A tile or an entry bundle, full or partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// What it holds.
    pub content: Content,
    /// Its place among the tiles of its level, from 0.
    pub index: u64,
    /// How many hashes or documents it holds, 1 to [`WIDTH`].
    pub width: u16,
}

impl Tile {
    /// The tile, as the tree of `size` leaves has it, that holds the root of
    /// the complete subtree `index` of height `level`, or the hashes which it
    /// follows from ([`Tile::node`]); `None` when the tree has no such subtree.
    pub fn holding(level: u32, index: u64, size: u64) -> Option<Self> {
        let leaves = size.checked_shr(level)?;
        if index >= leaves {
            return None;
        }
        let own = level / HEIGHT;
        let first = index << (level % HEIGHT);
        Self::of(own, first / u64::from(WIDTH), size)
    }

    /// The tile `index` of `level` as the tree of `size` leaves has it.
    fn of(level: u32, index: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(level * HEIGHT)?;
        let rest = hashes.checked_sub(index.checked_mul(u64::from(WIDTH))?)?;
        let width = u16::try_from(rest).map_or(WIDTH, |rest| rest.min(WIDTH));
        let content = Content::Hashes(u8::try_from(level).ok()?);
        (width > 0).then_some(Self {
            content,
            index,
            width,
        })
    }

    /// Its bytes, from stored hashes (see [`crate::tree`]).
    ///
    /// # Errors
    /// [`tree::Error::Missing`] when `read` does not have one of the hashes;
    /// [`tree::Error::Outside`] for an entry bundle, and for a tile that lies
    /// beyond 2^64 leaves.
    pub fn bytes(
        &self,
        mut read: impl FnMut(u32, u64) -> Option<Hash>,
    ) -> Result<Vec<u8>, tree::Error> {
        let Content::Hashes(level) = self.content else {
            return Err(tree::Error::Outside);
        };
        let level = u32::from(level) * HEIGHT;
        let first = self
            .index
            .checked_mul(u64::from(WIDTH))
            .ok_or(tree::Error::Outside)?;
        let mut bytes = Vec::with_capacity(usize::from(self.width) * 32);
        for nth in 0..u64::from(self.width) {
            let index = first.checked_add(nth).ok_or(tree::Error::Outside)?;
            let hash = read(level, index).ok_or(tree::Error::Missing { level, index })?;
            bytes.extend_from_slice(&hash.0);
        }
        Ok(bytes)
    }

    /// The hashes in its bytes.
    ///
    /// # Errors
    /// [`Error::Bytes`] when they are not 32 for each, or for an entry bundle.
    pub fn hashes(&self, bytes: &[u8]) -> Result<Vec<Hash>, Error> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        let whole = rest.is_empty() && hashes.len() == usize::from(self.width);
        if whole && self.content != Content::Entries {
            Ok(hashes.iter().copied().map(Hash).collect())
        } else {
            Err(Error::Bytes)
        }
    }

    /// The root of the complete subtree `index` of height `level`, from the
    /// hashes of the tile that [`Tile::holding`] names; `None` when this tile
    /// does not have all that it takes.
    pub fn node(&self, hashes: &[Hash], level: u32, index: u64) -> Option<Hash> {
        let own = Content::Hashes(u8::try_from(level / HEIGHT).ok()?);
        let count = 1_usize << (level % HEIGHT);
        let first = index.checked_mul(u64::try_from(count).ok()?)?;
        if self.content != own || self.index != first / u64::from(WIDTH) {
            return None;
        }
        let start = usize::try_from(first % u64::from(WIDTH)).ok()?;
        hashes.get(start..start + count).map(tree::root)
    }
}

/// The tiles and entry bundles that a tree of `second` leaves has and the tree
/// of `first` leaves does not: what is to be published when it grows. With
/// `first` 0, all of them. Bundles come first, then hashes level by level.
pub fn grown(first: u64, second: u64) -> impl Iterator<Item = Tile> {
    let bundles = grown_on(0, first, second).map(|tile| Tile {
        content: Content::Entries,
        ..tile
    });
    let levels = 0..u64::BITS / HEIGHT;
    bundles.chain(levels.flat_map(move |level| grown_on(level, first, second)))
}

/// The tiles of one level, below 8, that a tree gains by growing.
fn grown_on(level: u32, first: u64, second: u64) -> impl Iterator<Item = Tile> {
    let (had, has) = (first >> (level * HEIGHT), second >> (level * HEIGHT));
    let width = u64::from(WIDTH);
    let touched = if had < has {
        had / width..has.div_ceil(width)
    } else {
        0..0
    };
    touched.filter_map(move |index| Tile::of(level, index, second))
}

impl fmt::Display for Tile {
    /// The path, such as `tile/0/x001/x234/067.p/7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            Content::Entries => f.write_str("tile/entries/")?,
            Content::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let mut group = 1000_u64.pow(self.index.checked_ilog(1000).unwrap_or(0));
        while group > 1 {
            write!(f, "x{:03}/", self.index / group % 1000)?;
            group /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.width == WIDTH {
            Ok(())
        } else {
            write!(f, ".p/{}", self.width)
        }
    }
}

impl FromStr for Tile {
    type Err = Error;

    /// Reads a path; only the one that [`Tile`] is written as is accepted.
    fn from_str(path: &str) -> Result<Self, Error> {
        let (content, rest) = path
            .strip_prefix("tile/")
            .and_then(|rest| rest.split_once('/'))
            .ok_or(Error::Path)?;
        let content = match content {
            "entries" => Content::Entries,
            level => {
                let level = decimal(level).filter(|level| *level <= TOP_LEVEL);
                Content::Hashes(level.ok_or(Error::Path)?)
            }
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, u16::from(decimal(width).ok_or(Error::Path)?)),
            None => (rest, WIDTH),
        };
        let tile = Self {
            content,
            index: grouped(index)?,
            width,
        };
        if width > 0 {
            Ok(tile)
        } else {
            Err(Error::Path)
        }
    }
}

/// A number without sign or leading zeros.
fn decimal(text: &str) -> Option<u8> {
    let number: u8 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A number in path elements of three digits, all but the last with an `x`.
fn grouped(text: &str) -> Result<u64, Error> {
    let mut groups = text.split('/').rev();
    let last = groups.next().and_then(three_digits).ok_or(Error::Path)?;
    let (mut number, mut unit, mut leading) = (last, 1_u64, None);
    for group in groups {
        let digits = group
            .strip_prefix('x')
            .and_then(three_digits)
            .ok_or(Error::Path)?;
        unit = unit.checked_mul(1000).ok_or(Error::Path)?;
        let part = digits.checked_mul(unit).ok_or(Error::Path)?;
        number = part.checked_add(number).ok_or(Error::Path)?;
        leading = Some(digits);
    }
    if leading == Some(0) {
        Err(Error::Path)
    } else {
        Ok(number)
    }
}

/// The number in exactly three digits.
fn three_digits(text: &str) -> Option<u64> {
    let plain = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}
