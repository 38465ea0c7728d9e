//! Vectors with one byte changed, cut off or added: refused, or another value,
//! never the same.

use chain::Hash;
use chain::checkpoint::Checkpoint;
use chain::note::Verifier;
use chain::proof::Proof;
use chain::tile::{Content, Tile, bundle};
use chain::tree::{consistency, inclusion, root};
use sha2::{Digest, Sha256};

use super::{Stored, cases, hash, json, leaves, number, text};

/// Every text that differs from `whole` in one bit of one byte (the lowest,
/// the one of case, the highest), lacks one byte or has one more.
fn spoiled(whole: &str) -> impl Iterator<Item = String> {
    let flipped = (0..whole.len()).flat_map(move |at| {
        [0x01, 0x20, 0x80].map(|bit| {
            let mut bytes = whole.as_bytes().to_vec();
            bytes[at] ^= bit;
            bytes
        })
    });
    let shorter = (0..whole.len()).map(move |at| {
        let mut bytes = whole.as_bytes().to_vec();
        bytes.remove(at);
        bytes
    });
    let longer = (0..=whole.len()).flat_map(move |at| {
        [b'\n', b' ', b'0', b'='].map(|byte| {
            let mut bytes = whole.as_bytes().to_vec();
            bytes.insert(at, byte);
            bytes
        })
    });
    flipped
        .chain(shorter)
        .chain(longer)
        .filter_map(|bytes| String::from_utf8(bytes).ok())
}

/// The verifier key of the vectors' chain.
fn verifier() -> Verifier {
    text(&json("tree.json")["keys"]["chains"][0]["vkey"])
        .parse()
        .unwrap()
}

#[test]
fn checkpoints() {
    let verifier = verifier();
    for case in &cases("checkpoints")[..4] {
        let note = text(&case["note"]);
        Checkpoint::open(note, &verifier).unwrap();
        for spoiled in spoiled(note) {
            assert!(Checkpoint::open(&spoiled, &verifier).is_err(), "{spoiled}");
        }
    }
}

#[test]
fn checkpoint_texts() {
    let note = text(&cases("checkpoints")[3]["note"]).to_owned();
    let (body, _) = note.split_once("\n\n").unwrap();
    let body = format!("{body}\n");
    let whole = Checkpoint::parse(&body).unwrap();
    for spoiled in spoiled(&body) {
        // Only the signature tells a text with an extension line from one without.
        let extended = spoiled.lines().count() > 3;
        assert!(
            extended || Checkpoint::parse(&spoiled).as_ref() != Ok(&whole),
            "{spoiled}"
        );
    }
}

#[test]
fn proofs() {
    let verifier = verifier();
    for case in cases("proofs") {
        let document = text(&case["evidence"]["document"]);
        let leaf = Sha256::new()
            .chain_update([0])
            .chain_update(document)
            .finalize();
        let leaf = Hash(leaf.into());
        let whole = text(&case["evidence"]["proof"]);
        whole
            .parse::<Proof>()
            .unwrap()
            .verify(leaf, &verifier)
            .unwrap();
        for spoiled in spoiled(whole) {
            let accepted = spoiled
                .parse::<Proof>()
                .and_then(|proof| proof.verify(leaf, &verifier));
            assert!(accepted.is_err(), "{spoiled}");
        }
    }
}

#[test]
fn verifier_keys() {
    let whole = verifier();
    for spoiled in spoiled(&whole.to_string()) {
        assert_ne!(spoiled.parse(), Ok(whole.clone()), "{spoiled}");
    }
}

#[test]
fn inclusion_proofs() {
    let leaves = leaves();
    let stored = Stored::over(&leaves);
    for case in cases("inclusion") {
        let (index, size) = (number(&case["index"]), number(&case["size"]));
        let leaf = leaves[usize::try_from(index).unwrap()];
        let expected = root(&leaves[..usize::try_from(size).unwrap()]);
        let proof = inclusion::prove(index, size, |level, at| stored.read(level, at)).unwrap();
        for at in 0..proof.len() {
            let mut proof = proof.clone();
            proof[at].0[at % 32] ^= 1;
            assert!(inclusion::verify(leaf, index, size, &proof, expected).is_err());
        }
        for other in [index.wrapping_sub(1), index + 1, index + size, !index] {
            assert!(inclusion::verify(leaf, other, size, &proof, expected).is_err());
        }
    }
}

#[test]
fn consistency_proofs() {
    for case in cases("consistency") {
        let (first, second) = (number(&case["first"]), number(&case["second"]));
        let proof = super::hashes(&case["proof"]);
        let leaves = leaves();
        let before = root(&leaves[..usize::try_from(first).unwrap()]);
        let after = root(&leaves[..usize::try_from(second).unwrap()]);
        for at in 0..proof.len() {
            let mut proof = proof.clone();
            proof[at].0[at % 32] ^= 1;
            assert!(consistency::verify(first, second, &proof, before, after).is_err());
        }
    }
}

#[test]
fn entry_bundles() {
    let documents = ["{\"a\":1}", "", "{\"b\":\"é\"}"];
    let bytes = bundle::encode(documents).unwrap();
    assert_eq!(bundle::decode(3, &bytes).unwrap(), documents);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut spoiled = bytes.clone();
            spoiled[at] ^= 1 << bit;
            assert_ne!(bundle::decode(3, &spoiled).as_deref(), Ok(&documents[..]));
        }
        assert!(bundle::decode(3, &bytes[..at]).is_err());
    }
    assert!(bundle::decode(2, &bytes).is_err());
    assert!(bundle::decode(4, &bytes).is_err());
    assert!(bundle::encode([]).is_err());
    assert!(bundle::encode(vec![""; 256]).is_ok());
    assert!(bundle::encode(vec![""; 257]).is_err());
    assert!(bundle::encode([&*"x".repeat(65_535)]).is_ok());
    assert!(bundle::encode([&*"x".repeat(65_536)]).is_err());
}

#[test]
fn tiles() {
    let first = hash(&cases("roots")[1]["root"]);
    let tile = Tile {
        content: Content::Hashes(0),
        index: 0,
        width: 1,
    };
    assert_eq!(tile.hashes(&first.0), Ok(vec![first]));
    assert!(tile.hashes(&first.0[1..]).is_err());
    assert!(tile.hashes(&[first.0, first.0].concat()).is_err());
    assert!(tile.hashes(&[]).is_err());
    assert_eq!(tile.node(&[first], 0, 0), Some(first));
    assert_eq!(tile.node(&[first], 0, 1), None);
    assert_eq!(tile.node(&[first], 1, 0), None);
    assert_eq!(tile.node(&[first], 8, 0), None);
    assert_eq!(tile.node(&[first], 0, 256), None);
    assert_eq!(tile.node(&[first], u32::MAX, u64::MAX), None);
}
