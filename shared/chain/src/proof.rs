//! The proof that an entry is in its chain, as text that is checked offline
//! (<https://c2sp.org/tlog-proof>): the entry's index, its inclusion proof and
//! the checkpoint. Its leaf is the entry's hash, so it fits with personal
//! parts given, withheld or erased. Never has an `extra` line, which nothing
//! would authenticate.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use thiserror::Error;

use crate::Hash;
use crate::checkpoint::{self, Checkpoint, decimal, hash};
use crate::note::{Note, Verifier};
use crate::tree::{self, inclusion};

/// The first line of every proof.
const VERSION: &str = "c2sp.org/tlog-proof@v1";

/// An inclusion proof in a tree of any size has at most this many hashes.
const MOST_HASHES: usize = 64;

/// Why a proof was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Error {
    /// Not the text of a proof, or one with an `extra` line.
    #[error("not a proof")]
    Form,
    /// Its checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    /// The path from the entry to the checkpoint's root.
    #[error(transparent)]
    Tree(#[from] tree::Error),
}

/// A proof; nothing in it is to be believed before [`Proof::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The entry's place in the chain, its seq.
    pub index: u64,
    /// The inclusion proof, the leaf's sibling first.
    pub hashes: Vec<Hash>,
    /// The checkpoint as a signed note, byte for byte.
    pub checkpoint: String,
}

impl Proof {
    /// Checks that the entry with this hash is in the tree that `verifier`
    /// signed, and returns that tree's checkpoint.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when the checkpoint is not to be believed;
    /// [`Error::Tree`] when it does not contain this entry at this index.
    pub fn verify(&self, leaf: Hash, verifier: &Verifier) -> Result<Checkpoint, Error> {
        let checkpoint = Checkpoint::open(&self.checkpoint, verifier)?;
        inclusion::verify(
            leaf,
            self.index,
            checkpoint.size,
            &self.hashes,
            checkpoint.root,
        )?;
        Ok(checkpoint)
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}\nindex {}\n", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", BASE64.encode(hash.0))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for Proof {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(Error::Form)?;
        let mut lines = head.split('\n');
        if lines.next() != Some(VERSION) {
            return Err(Error::Form);
        }
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(decimal)
            .ok_or(Error::Form)?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == MOST_HASHES {
                return Err(Error::Form);
            }
            hashes.push(hash(line).ok_or(Error::Form)?);
        }
        Note::parse(checkpoint).map_err(checkpoint::Error::from)?;
        Ok(Self {
            index,
            hashes,
            checkpoint: checkpoint.to_owned(),
        })
    }
}
