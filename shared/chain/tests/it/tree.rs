//! The tree, tiles, notes, checkpoints and proofs: against the vectors, against
//! a naive tree written from the RFC's recursive definitions, and against
//! spoiled input.

mod naive;
mod properties;
mod spoiled;
mod text;
mod vectors;

use std::collections::BTreeMap;

use chain::Hash;
use chain::tree::Frontier;
use serde_json::Value;

/// A file of `vectors` that is JSON.
fn json(name: &str) -> Value {
    let path = format!("{}/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The cases under one name of `tree.json`.
fn cases(name: &str) -> Vec<Value> {
    json("tree.json")[name].as_array().unwrap().clone()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn hash(value: &Value) -> Hash {
    text(value).parse().unwrap()
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

/// The hashes of the vectors' chain, by seq.
fn leaves() -> Vec<Hash> {
    hashes(&json("chain.json")["hashes"])
}

/// The hash of every complete subtree over some leaves.
struct Stored(BTreeMap<(u32, u64), Hash>);

impl Stored {
    fn over(leaves: &[Hash]) -> Self {
        let mut stored = BTreeMap::new();
        let mut frontier = Frontier::new();
        for leaf in leaves {
            frontier.push_with(*leaf, |level, index, hash| {
                stored.insert((level, index), hash);
            });
        }
        Self(stored)
    }

    fn read(&self, level: u32, index: u64) -> Option<Hash> {
        self.0.get(&(level, index)).copied()
    }
}
