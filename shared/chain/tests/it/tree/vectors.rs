//! Every case of `tree.json`.

use std::io::Read;

use chain::Hash;
use chain::checkpoint::Checkpoint;
use chain::note::{Signer, Verifier};
use chain::proof::Proof;
use chain::tile::{self, Content, Tile, bundle};
use chain::tree::{Frontier, consistency, inclusion, root};
use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Stored, cases, hash, hashes, json, leaves, number, text};

/// The root over the first `size` leaves of the vectors' chain.
fn root_at(leaves: &[Hash], size: u64) -> Hash {
    root(&leaves[..usize::try_from(size).unwrap()])
}

fn signer(origin: &str) -> Signer {
    let keys = &json("tree.json")["keys"];
    let seed: Hash = text(&keys["ed25519_seed"]).parse().unwrap();
    Signer::new(origin, &seed.0).unwrap()
}

#[test]
fn roots() {
    let leaves = leaves();
    let stored = Stored::over(&leaves);
    for case in cases("roots") {
        let size = number(&case["size"]);
        assert_eq!(root_at(&leaves, size), hash(&case["root"]), "size {size}");
        let loaded = Frontier::load(size, |level, index| stored.read(level, index)).unwrap();
        assert_eq!(loaded.root(), hash(&case["root"]), "size {size}, loaded");
    }
}

#[test]
fn inclusion_proofs() {
    let leaves = leaves();
    let stored = Stored::over(&leaves);
    for case in cases("inclusion") {
        let (index, size) = (number(&case["index"]), number(&case["size"]));
        let proof = inclusion::prove(index, size, |level, at| stored.read(level, at)).unwrap();
        assert_eq!(proof, hashes(&case["proof"]), "{index} in {size}");
        let leaf = leaves[usize::try_from(index).unwrap()];
        let expected = root_at(&leaves, size);
        inclusion::verify(leaf, index, size, &proof, expected).unwrap();
    }
}

#[test]
fn consistency_proofs() {
    let leaves = leaves();
    let stored = Stored::over(&leaves);
    for case in cases("consistency") {
        let (first, second) = (number(&case["first"]), number(&case["second"]));
        let proof = consistency::prove(first, second, |level, at| stored.read(level, at)).unwrap();
        assert_eq!(proof, hashes(&case["proof"]), "{first} to {second}");
        let (before, after) = (root_at(&leaves, first), root_at(&leaves, second));
        consistency::verify(first, second, &proof, before, after).unwrap();
    }
}

/// What the vectors say of a tile or bundle: path, width, length and digest of the bytes.
fn described(tile: Tile, bytes: &[u8]) -> Value {
    let sha256 = Hash(Sha256::digest(bytes).into()).to_string();
    serde_json::json!({
        "path": tile.to_string(), "width": tile.width, "bytes": bytes.len(), "sha256": sha256,
    })
}

#[test]
fn tiles() {
    let stored = Stored::over(&leaves());
    for case in cases("tiles") {
        let mut made = Vec::new();
        for tile in tile::grown(0, number(&case["size"])) {
            if tile.content != Content::Entries {
                let bytes = tile
                    .bytes(|level, index| stored.read(level, index))
                    .unwrap();
                assert_eq!(tile.hashes(&bytes).unwrap().len(), usize::from(tile.width));
                made.push(described(tile, &bytes));
            }
        }
        assert_eq!(Value::from(made), case["tiles"], "size {}", case["size"]);
    }
}

/// The documents of the vectors' chain, from the posted texts.
fn documents() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/chain-posted.jsonl.gz");
    let mut posted = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_string(&mut posted)
        .unwrap();
    let header = &json("chain.json")["header"];
    let (kind, id) = text(&header["recorded_by"]).split_once(':').unwrap();
    let chain = chain::Chain {
        origin: text(&header["origin"]).to_owned(),
        tenant: text(&header["tenant"]).to_owned(),
        partition: text(&header["partition"]).to_owned(),
        generation: 1,
    };
    let start: chain::Timestamp = "2026-01-15T10:30:00.000000Z".parse().unwrap();
    let mut previous = chain.genesis();
    let mut documents = Vec::new();
    for (seq, line) in (0_u32..).zip(posted.lines()) {
        let recorder = chain::Recorder { kind, id };
        let entry = chain::Entry::parse(line.as_bytes(), recorder, uuid::Uuid::nil()).unwrap();
        let digest = Sha256::digest(format!("salt{seq}"));
        let salt = chain::Salt(digest[..16].try_into().unwrap());
        let micros = start.as_micros() + i64::from(seq / 4) * 250_100;
        let stored = chain::Stored {
            tenant: chain.tenant.clone(),
            partition: chain.partition.clone(),
            generation: 1,
            seq: seq.into(),
            received_at: chain::Timestamp::from_micros(micros).unwrap(),
            id: entry.id(),
            salt: Some(salt),
            hash: previous,
            previous,
            event: entry.event().to_owned(),
            parts: entry.parts().map(str::to_owned),
            residue: None,
        };
        let document = stored.document().unwrap();
        let leaf = Sha256::new()
            .chain_update([0])
            .chain_update(&document)
            .finalize();
        previous = Hash(leaf.into());
        documents.push(document);
    }
    documents
}

#[test]
fn entry_bundles() {
    let documents = documents();
    for case in cases("tiles") {
        let mut made = Vec::new();
        for tile in tile::grown(0, number(&case["size"])) {
            if tile.content == Content::Entries {
                let start = usize::try_from(tile.index).unwrap() * 256;
                let held = &documents[start..start + usize::from(tile.width)];
                let bytes = bundle::encode(held.iter().map(String::as_str)).unwrap();
                assert_eq!(bundle::decode(tile.width, &bytes).unwrap(), held);
                made.push(described(tile, &bytes));
            }
        }
        assert_eq!(Value::from(made), case["bundles"], "size {}", case["size"]);
    }
}

#[test]
fn paths() {
    for case in cases("paths") {
        let content = match case["level"].as_u64() {
            Some(level) => Content::Hashes(level.try_into().unwrap()),
            None => Content::Entries,
        };
        let width = number(&case["width"]).try_into().unwrap();
        let tile = Tile {
            content,
            index: number(&case["n"]),
            width,
        };
        assert_eq!(tile.to_string(), text(&case["path"]));
        assert_eq!(text(&case["path"]).parse(), Ok(tile));
    }
}

#[test]
fn keys() {
    for case in json("tree.json")["keys"]["chains"].as_array().unwrap() {
        let (origin, vkey) = (text(&case["origin"]), text(&case["vkey"]));
        let verifier = signer(origin).verifier().clone();
        assert_eq!(verifier.to_string(), vkey);
        assert_eq!(vkey.parse::<Verifier>().unwrap(), verifier);
        assert_eq!(
            signer("elsewhere").verifier().renamed(origin).unwrap(),
            verifier
        );
        assert_eq!(genesis(origin), hash(&case["genesis"]), "{origin}");
    }
}

/// The genesis value of the chain with this origin under `audit.example.com`.
fn genesis(origin: &str) -> Hash {
    let mut names = origin.split('/');
    let mut name = || names.next().map(str::to_owned);
    let chain = chain::Chain {
        origin: name().unwrap(),
        tenant: name().unwrap(),
        partition: name().unwrap(),
        generation: name().map_or(1, |generation| generation.parse().unwrap()),
    };
    assert_eq!(chain.origin_line(), origin);
    chain.genesis()
}

#[test]
fn checkpoints() {
    let leaves = leaves();
    for case in cases("checkpoints") {
        let (origin, size) = (text(&case["origin"]), number(&case["size"]));
        let signer = signer(origin);
        let root = root_at(&leaves, size);
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size,
            root,
        };
        assert_eq!(checkpoint.sign(&signer).unwrap(), text(&case["note"]));
        assert_eq!(
            Checkpoint::open(text(&case["note"]), signer.verifier()),
            Ok(checkpoint)
        );
    }
}

#[test]
fn proofs() {
    let leaves = leaves();
    let stored = Stored::over(&leaves);
    let origin = "audit.example.com/acme/default";
    let signer = signer(origin);
    for case in cases("proofs") {
        let (index, size) = (number(&case["index"]), number(&case["size"]));
        let root = root_at(&leaves, size);
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size,
            root,
        };
        let proof = Proof {
            index,
            hashes: inclusion::prove(index, size, |level, at| stored.read(level, at)).unwrap(),
            checkpoint: checkpoint.sign(&signer).unwrap(),
        };
        let given = text(&case["evidence"]["proof"]);
        assert_eq!(proof.to_string(), given);
        assert_eq!(given.parse(), Ok(proof.clone()));
        // The leaf is the document alone, whatever parts are withheld.
        let document = text(&case["evidence"]["document"]);
        let leaf = Sha256::new()
            .chain_update([0])
            .chain_update(document)
            .finalize();
        assert_eq!(
            proof.verify(Hash(leaf.into()), signer.verifier()),
            Ok(checkpoint)
        );
        for withheld in case["withheld"].as_array().unwrap() {
            let digests = &serde_json::from_str::<Value>(document).unwrap()["personal"];
            assert!(digests.get(text(withheld)).is_some());
            assert!(case["evidence"]["parts"].get(text(withheld)).is_none());
        }
    }
}
