//! Consistency proofs: a tree is the beginning of a later one (RFC 6962,
//! section 2.1.2, checked as RFC 9162, section 2.1.4.2).
//!
//! From size 0 and between equal sizes the proof is empty.

use super::{Error, empty, node, range_root, split};
use crate::Hash;

/// The proof that the tree of `first` leaves is the beginning of the tree of
/// `second` leaves; at most 65 hashes.
///
/// # Errors
/// [`Error::Outside`] when `first` is above `second`; [`Error::Missing`] when
/// `read` (see [`crate::tree`]) does not have a hash that the proof needs.
pub fn prove(
    first: u64,
    second: u64,
    mut read: impl FnMut(u32, u64) -> Option<Hash>,
) -> Result<Vec<Hash>, Error> {
    if first > second {
        return Err(Error::Outside);
    }
    if first == 0 || first == second {
        return Ok(Vec::new());
    }
    // From the root down along the right edge of the first tree. While the
    // path has only gone left, the subtree it ends in is the whole first tree,
    // whose root the verifier has.
    let mut proof = Vec::new();
    let (mut start, mut count, mut known) = (0, second, true);
    while first - start != count {
        let left = split(count);
        if first - start <= left {
            proof.push(range_root(start + left, count - left, &mut read)?);
            count = left;
        } else {
            proof.push(range_root(start, left, &mut read)?);
            start += left;
            count -= left;
            known = false;
        }
    }
    if !known {
        proof.push(range_root(start, count, &mut read)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that the tree of `first` leaves with `first_root` is the beginning of
/// the tree of `second` leaves with `second_root`.
///
/// # Errors
/// [`Error::Outside`] when `first` is above `second`; [`Error::Length`] when
/// the proof is too short or too long; [`Error::Root`] when it leads to other
/// roots, or when a tree of size 0 does not have the root of no leaves.
pub fn verify(
    first: u64,
    second: u64,
    proof: &[Hash],
    first_root: Hash,
    second_root: Hash,
) -> Result<(), Error> {
    if first > second {
        return Err(Error::Outside);
    }
    if first == 0 || first == second {
        if !proof.is_empty() {
            return Err(Error::Length);
        }
        let agree =
            (first != 0 || first_root == empty()) && (first != second || first_root == second_root);
        return if agree { Ok(()) } else { Err(Error::Root) };
    }
    if (first_root, second_root) == roots(first, second, proof, first_root)? {
        Ok(())
    } else {
        Err(Error::Root)
    }
}

/// The roots of both trees as the proof has them; `0 < first < second`.
fn roots(first: u64, second: u64, proof: &[Hash], first_root: Hash) -> Result<(Hash, Hash), Error> {
    // The largest subtree that ends where the first tree ends. A first tree
    // that is complete is that subtree itself and is left out of the proof.
    let level = first.trailing_zeros();
    let (seed, proof) = if first.is_power_of_two() {
        (first_root, proof)
    } else {
        let (seed, rest) = proof.split_first().ok_or(Error::Length)?;
        (*seed, rest)
    };
    let (mut place, mut last) = ((first - 1) >> level, (second - 1) >> level);
    let (mut early, mut late) = (seed, seed);
    for sibling in proof {
        if last == 0 {
            return Err(Error::Length);
        }
        if place & 1 == 1 || place == last {
            early = node(*sibling, early);
            late = node(*sibling, late);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            late = node(late, *sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    if last == 0 {
        Ok((early, late))
    } else {
        Err(Error::Length)
    }
}
