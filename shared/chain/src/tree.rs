//! The Merkle tree over the entry hashes of one chain (RFC 6962, section 2.1).
//!
//! An entry's hash is its leaf, so nothing here sees a document. Stored hashes
//! come through a function `read(level, index)`: the root of the complete
//! subtree over the leaves `index << level` to `(index + 1) << level`, level 0
//! being the leaves themselves. It answers `None` for what it does not have;
//! the caller then gets [`Error::Missing`], fetches that hash and asks again.
//! This module never does I/O and accepts any `u64` as a size or an index.

pub mod consistency;
pub mod inclusion;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::Hash;

/// Why a proof was not made or not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Error {
    /// An index outside the tree, or a first size above the second.
    #[error("outside the tree")]
    Outside,
    /// The proof has too few or too many hashes for these sizes.
    #[error("the proof has the wrong number of hashes")]
    Length,
    /// The proof leads to another root: the leaf, the proof or the root is not what it claims to be.
    #[error("the proof does not lead to the root")]
    Root,
    /// The source of stored hashes has no such subtree.
    #[error("no stored hash at level {level}, index {index}")]
    Missing {
        /// Height of the subtree: it has `1 << level` leaves.
        level: u32,
        /// Its place among the subtrees of that height.
        index: u64,
    },
}

/// The root of a tree without leaves: SHA-256 of nothing.
pub fn empty() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// An inner node: SHA-256(0x01 ‖ left ‖ right).
pub fn node(left: Hash, right: Hash) -> Hash {
    let mut bytes = [0x01; 65];
    bytes[1..33].copy_from_slice(&left.0);
    bytes[33..].copy_from_slice(&right.0);
    Hash(Sha256::digest(bytes).into())
}

/// The root of the tree over `leaves`.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// A tree that grows leaf by leaf and keeps only its right edge: at most 64 hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The roots of the complete subtrees that the size consists of, one per
    /// set bit of it, largest first.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree of `size` leaves, from at most 64 stored hashes.
    ///
    /// # Errors
    /// [`Error::Missing`] when `read` does not have one of them.
    pub fn load(size: u64, mut read: impl FnMut(u32, u64) -> Option<Hash>) -> Result<Self, Error> {
        let mut peaks = Vec::with_capacity(size.count_ones() as usize);
        for (level, index) in subtrees(0, size) {
            peaks.push(read(level, index).ok_or(Error::Missing { level, index })?);
        }
        Ok(Self { size, peaks })
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf, and names each subtree that it completes, the leaf
    /// first, so that a caller may store them for `read`.
    ///
    /// # Panics
    /// When the tree has `u64::MAX` leaves; chains end at 2^53.
    pub fn push_with(&mut self, leaf: Hash, mut completed: impl FnMut(u32, u64, Hash)) {
        let seq = self.size;
        self.size = seq.checked_add(1).expect("a chain ends at 2^53 entries");
        let mut hash = leaf;
        completed(0, seq, hash);
        for level in 1..=seq.trailing_ones() {
            let left = self.peaks.pop().expect("one peak per set bit of the size");
            hash = node(left, hash);
            completed(level, seq >> level, hash);
        }
        self.peaks.push(hash);
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.push_with(leaf, |_, _, _| {});
    }

    /// The root over all leaves so far.
    pub fn root(&self) -> Hash {
        join(&self.peaks).unwrap_or_else(empty)
    }
}

/// The root over complete subtrees that stand side by side, largest first.
fn join(peaks: &[Hash]) -> Option<Hash> {
    peaks
        .iter()
        .copied()
        .rev()
        .reduce(|right, left| node(left, right))
}

/// The complete subtrees, largest first, that the `count` leaves from `start`
/// consist of. `start` is a multiple of the smallest power of two that is not
/// below `count`, as for every subtree of an RFC 6962 tree.
fn subtrees(start: u64, count: u64) -> impl Iterator<Item = (u32, u64)> {
    let mut done = start;
    let mut rest = count;
    std::iter::from_fn(move || {
        let level = rest.checked_ilog2()?;
        let index = done >> level;
        rest -= 1 << level;
        // Wraps only after the last subtree of a tree of u64::MAX leaves and is then not read.
        done = done.wrapping_add(1 << level);
        Some((level, index))
    })
}

/// The root over the `count` leaves from `start`, `count` not 0.
fn range_root(
    start: u64,
    count: u64,
    read: &mut impl FnMut(u32, u64) -> Option<Hash>,
) -> Result<Hash, Error> {
    let mut peaks = Vec::with_capacity(count.count_ones() as usize);
    for (level, index) in subtrees(start, count) {
        peaks.push(read(level, index).ok_or(Error::Missing { level, index })?);
    }
    Ok(join(&peaks).unwrap_or_else(empty))
}

/// Where RFC 6962 divides a tree of `size` leaves, `size` above 1: the largest
/// power of two below it.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}
