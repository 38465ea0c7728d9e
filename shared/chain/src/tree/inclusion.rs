//! Inclusion proofs: one leaf is in the tree (RFC 6962, section 2.1.1, checked
//! as RFC 9162, section 2.1.3.2).

use super::{Error, node, range_root, split};
use crate::Hash;

/// The proof that leaf `index` is in the tree of `size` leaves, the leaf's
/// sibling first; at most 64 hashes.
///
/// # Errors
/// [`Error::Outside`] unless `index` is below `size`; [`Error::Missing`] when
/// `read` (see [`crate::tree`]) does not have a hash that the proof needs.
pub fn prove(
    index: u64,
    size: u64,
    mut read: impl FnMut(u32, u64) -> Option<Hash>,
) -> Result<Vec<Hash>, Error> {
    if index >= size {
        return Err(Error::Outside);
    }
    // From the root down: the half without the leaf is a sibling on its path.
    let mut proof = Vec::new();
    let (mut start, mut count) = (0, size);
    while count > 1 {
        let left = split(count);
        if index - start < left {
            proof.push(range_root(start + left, count - left, &mut read)?);
            count = left;
        } else {
            proof.push(range_root(start, left, &mut read)?);
            start += left;
            count -= left;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The root that `proof` leads to from leaf `index` of a tree of `size` leaves.
///
/// # Errors
/// [`Error::Outside`] unless `index` is below `size`; [`Error::Length`] when
/// the proof is too short or too long.
pub fn root(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Result<Hash, Error> {
    if index >= size {
        return Err(Error::Outside);
    }
    // The place of the current node and of the last node, level by level.
    let (mut place, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in proof {
        if last == 0 {
            return Err(Error::Length);
        }
        if place & 1 == 1 || place == last {
            hash = node(*sibling, hash);
            // A last node without a right neighbour moves up until it has a left one.
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(hash, *sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    if last == 0 {
        Ok(hash)
    } else {
        Err(Error::Length)
    }
}

/// Checks that `proof` shows `leaf` at `index` of the tree of `size` leaves
/// with the root `expected`.
///
/// # Errors
/// As [`root`]; [`Error::Root`] when the proof leads elsewhere.
pub fn verify(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    expected: Hash,
) -> Result<(), Error> {
    if root(leaf, index, size, proof)? == expected {
        Ok(())
    } else {
        Err(Error::Root)
    }
}
