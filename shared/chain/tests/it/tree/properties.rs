//! Trees of any shape and size.

use chain::Hash;
use chain::tile::{self, Content, Tile};
use chain::tree::{Error, Frontier, consistency, empty, inclusion, node, root};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Stored, naive};

/// Distinct leaves; their values do not matter to a tree.
fn leaves(count: usize) -> Vec<Hash> {
    let mut leaf = empty();
    std::iter::repeat_with(|| {
        leaf = node(leaf, leaf);
        leaf
    })
    .take(count)
    .collect()
}

/// A tree of any size whose leaves are all alike, so that every subtree of one
/// height has the same root: sizes near 2^64 can be tried.
fn uniform() -> impl Fn(u32, u64) -> Option<Hash> + Copy {
    let mut levels = [empty(); 64];
    for level in 1..64 {
        levels[level] = node(levels[level - 1], levels[level - 1]);
    }
    move |level, _| levels.get(level as usize).copied()
}

#[test]
fn the_root_grows_as_the_definition_says() {
    let leaves = leaves(600);
    let stored = Stored::over(&leaves);
    let mut frontier = Frontier::new();
    for size in 0..=leaves.len() {
        let expected = naive::root(&leaves[..size]);
        assert_eq!(frontier.root(), expected, "size {size}");
        assert_eq!(root(&leaves[..size]), expected, "size {size}");
        let loaded = Frontier::load(frontier.size(), |level, at| stored.read(level, at)).unwrap();
        assert_eq!(loaded, frontier);
        if let Some(leaf) = leaves.get(size) {
            frontier.push(*leaf);
        }
    }
}

proptest! {
    #[test]
    fn inclusion_is_as_defined(size in 1_usize..=600, at in any::<prop::sample::Index>()) {
        let leaves = leaves(size);
        let stored = Stored::over(&leaves);
        let index = at.index(size);
        let proof = inclusion::prove(index as u64, size as u64, |level, at| stored.read(level, at));
        let proof = proof.unwrap();
        prop_assert_eq!(&proof, &naive::path(index, &leaves));
        let expected = naive::root(&leaves);
        inclusion::verify(leaves[index], index as u64, size as u64, &proof, expected).unwrap();
        // The same proof shows no other leaf, at no other index.
        for other in (0..size).filter(|other| *other != index) {
            let moved = inclusion::verify(leaves[index], other as u64, size as u64, &proof, expected);
            prop_assert!(moved.is_err());
            let swapped = inclusion::verify(leaves[other], index as u64, size as u64, &proof, expected);
            prop_assert_eq!(swapped, Err(Error::Root));
        }
    }

    #[test]
    fn consistency_is_as_defined(second in 1_usize..=600, at in any::<prop::sample::Index>()) {
        let leaves = leaves(second);
        let stored = Stored::over(&leaves);
        let first = at.index(second) + 1;
        let proof = consistency::prove(first as u64, second as u64, |level, at| stored.read(level, at));
        let proof = proof.unwrap();
        prop_assert_eq!(&proof, &naive::subproof(first, &leaves, true));
        let (before, after) = (naive::root(&leaves[..first]), naive::root(&leaves));
        consistency::verify(first as u64, second as u64, &proof, before, after).unwrap();
        // A first tree of another length or content is not the beginning of the second.
        for other in (1..=second).filter(|other| *other != first) {
            let claimed = naive::root(&leaves[..other]);
            let verdict = consistency::verify(first as u64, second as u64, &proof, claimed, after);
            prop_assert_eq!(verdict, Err(Error::Root));
        }
    }

    #[test]
    fn proofs_hold_at_any_size(a in any::<u64>(), b in any::<u64>()) {
        let read = uniform();
        let (index, size) = (a.min(b), a.max(b));
        let after = Frontier::load(size, read).unwrap().root();
        let before = Frontier::load(index, read).unwrap().root();
        let steps = consistency::prove(index, size, read).unwrap();
        prop_assert!(steps.len() <= 65);
        prop_assert_eq!(consistency::verify(index, size, &steps, before, after), Ok(()));
        if index < size {
            let path = inclusion::prove(index, size, read).unwrap();
            prop_assert!(path.len() <= 64);
            prop_assert_eq!(inclusion::verify(empty(), index, size, &path, after), Ok(()));
        } else {
            prop_assert_eq!(inclusion::prove(index, size, read), Err(Error::Outside));
        }
    }

    #[test]
    fn no_proof_panics(a in any::<u64>(), b in any::<u64>(), proof in vec(any::<[u8; 32]>(), 0..70)) {
        let proof: Vec<Hash> = proof.into_iter().map(Hash).collect();
        prop_assert!(inclusion::verify(empty(), a, b, &proof, empty()).is_err());
        prop_assert!(consistency::verify(a, b, &proof, empty(), node(empty(), empty())).is_err());
    }

    #[test]
    fn proofs_follow_from_tiles(size in 1_u64..=70_000, at in any::<prop::sample::Index>()) {
        let index = at.index(usize::try_from(size).unwrap()) as u64;
        let from_tiles = |level, index| {
            let tile = Tile::holding(level, index, size)?;
            let hashes = tile.hashes(&tile.bytes(uniform()).unwrap()).unwrap();
            tile.node(&hashes, level, index)
        };
        let proof = inclusion::prove(index, size, from_tiles);
        prop_assert_eq!(proof, inclusion::prove(index, size, uniform()));
        let steps = consistency::prove(index, size, from_tiles);
        prop_assert_eq!(steps, consistency::prove(index, size, uniform()));
    }

    #[test]
    fn growing_writes_exactly_what_is_new(first in 0_u64..200_000, more in 0_u64..200_000) {
        let second = first + more;
        let before: Vec<Tile> = tile::grown(0, first).collect();
        let after: Vec<Tile> = tile::grown(0, second).collect();
        let new: Vec<Tile> = after.into_iter().filter(|tile| !before.contains(tile)).collect();
        prop_assert_eq!(tile::grown(first, second).collect::<Vec<_>>(), new);
    }
}

#[test]
fn the_largest_tree_has_proofs() {
    let read = uniform();
    let root = Frontier::load(u64::MAX, read).unwrap().root();
    for index in [0, 1, u64::MAX / 2, u64::MAX - 1] {
        let proof = inclusion::prove(index, u64::MAX, read).unwrap();
        inclusion::verify(empty(), index, u64::MAX, &proof, root).unwrap();
    }
    assert_eq!(
        inclusion::prove(u64::MAX, u64::MAX, read),
        Err(Error::Outside)
    );
    assert_eq!(Tile::holding(63, 1, u64::MAX), None);
    assert_eq!(Tile::holding(64, 0, u64::MAX), None);
    assert_eq!(Tile::holding(u32::MAX, u64::MAX, u64::MAX), None);
}

#[test]
fn proofs_of_another_length_are_refused() {
    let read = uniform();
    for size in 1..=40 {
        let root = Frontier::load(size, read).unwrap().root();
        for index in 0..size {
            let mut proof = inclusion::prove(index, size, read).unwrap();
            proof.push(empty());
            let longer = inclusion::verify(empty(), index, size, &proof, root);
            assert_eq!(longer, Err(Error::Length));
            proof.truncate(proof.len().saturating_sub(2));
            if size > 1 {
                let shorter = inclusion::verify(empty(), index, size, &proof, root);
                assert_eq!(shorter, Err(Error::Length));
            }
            let before = Frontier::load(index, read).unwrap().root();
            let mut steps = consistency::prove(index, size, read).unwrap();
            steps.push(empty());
            let longer = consistency::verify(index, size, &steps, before, root);
            assert_eq!(longer, Err(Error::Length));
            if index > 0 {
                steps.truncate(steps.len() - 2);
                let shorter = consistency::verify(index, size, &steps, before, root);
                assert_eq!(shorter, Err(Error::Length));
            }
        }
    }
}

#[test]
fn the_empty_proof_shows_only_what_it_may() {
    let root = node(empty(), empty());
    assert_eq!(consistency::verify(0, 0, &[], empty(), empty()), Ok(()));
    assert_eq!(consistency::verify(0, 2, &[], empty(), root), Ok(()));
    assert_eq!(consistency::verify(2, 2, &[], root, root), Ok(()));
    assert_eq!(consistency::verify(0, 2, &[], root, root), Err(Error::Root));
    assert_eq!(
        consistency::verify(0, 0, &[], empty(), root),
        Err(Error::Root)
    );
    assert_eq!(
        consistency::verify(2, 2, &[], root, empty()),
        Err(Error::Root)
    );
    assert_eq!(
        consistency::verify(1, 2, &[], root, root),
        Err(Error::Length)
    );
    assert_eq!(
        consistency::verify(2, 1, &[], root, root),
        Err(Error::Outside)
    );
    assert_eq!(
        inclusion::verify(root, 0, 0, &[], empty()),
        Err(Error::Outside)
    );
    assert_eq!(inclusion::verify(root, 0, 1, &[], root), Ok(()));
}

#[test]
fn what_is_not_stored_is_named() {
    let none = |_: u32, _: u64| None;
    let missing = |level, index| Error::Missing { level, index };
    assert_eq!(Frontier::load(6, none), Err(missing(2, 0)));
    assert_eq!(inclusion::prove(0, 6, none), Err(missing(1, 2)));
    assert_eq!(consistency::prove(3, 4, none), Err(missing(1, 0)));
    let tile = Tile {
        content: Content::Hashes(1),
        index: 1,
        width: 2,
    };
    assert_eq!(tile.bytes(none), Err(missing(8, 256)));
    let beyond = Tile {
        content: Content::Hashes(0),
        index: u64::MAX,
        width: 2,
    };
    assert_eq!(beyond.bytes(uniform()), Err(Error::Outside));
    let bundle = Tile {
        content: Content::Entries,
        index: 0,
        width: 2,
    };
    assert_eq!(bundle.bytes(uniform()), Err(Error::Outside));
}
