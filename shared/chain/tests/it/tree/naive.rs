//! RFC 6962, section 2.1, word for word and slowly: the recursive definitions
//! over slices, to compare with.

use chain::Hash;
use sha2::{Digest, Sha256};

/// MTH.
pub(super) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash(Sha256::digest([]).into()),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            let digest = Sha256::new()
                .chain_update([1])
                .chain_update(root(left).0)
                .chain_update(root(right).0)
                .finalize();
            Hash(digest.into())
        }
    }
}

/// PATH.
pub(super) fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let middle = split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut proof, sibling) = if index < middle {
        (path(index, left), root(right))
    } else {
        (path(index - middle, right), root(left))
    };
    proof.push(sibling);
    proof
}

/// SUBPROOF; with `whole`, PROOF.
pub(super) fn subproof(first: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if first == leaves.len() {
        return if whole {
            Vec::new()
        } else {
            vec![root(leaves)]
        };
    }
    let middle = split(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut proof, sibling) = if first <= middle {
        (subproof(first, left, whole), root(right))
    } else {
        (subproof(first - middle, right, false), root(left))
    };
    proof.push(sibling);
    proof
}

/// The largest power of two below `count`.
fn split(count: usize) -> usize {
    let mut middle = 1;
    while middle * 2 < count {
        middle *= 2;
    }
    middle
}
