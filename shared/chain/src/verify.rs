//! Verification of a chain, entry by entry, in constant memory. Never trusts a derived value, never fetches one.

use uuid::Uuid;

use crate::hash::Hash;
use crate::link::{Chain, Head};
use crate::stored::Stored;
use crate::timestamp::Timestamp;

/// Why verification stops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The entry that stands where `seq` should stand is not what was recorded.
    #[error("entry {seq}: {place}: {message}")]
    Wrong {
        seq: u64,
        /// Column or member that is wrong.
        place: String,
        message: String,
    },
    /// A later format version: neither valid nor wrong.
    #[error("entry {seq}: cannot verify: unknown format version {version}")]
    UnknownVersion { seq: u64, version: String },
}

/// What a verified entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<'a> {
    pub seq: u64,
    pub id: Uuid,
    /// Leaf hash of the tree.
    pub hash: Hash,
    pub received_at: Timestamp,
    pub document: &'a str,
    /// The tlog-proof that came with an evidence line; not verified here.
    pub proof: Option<&'a str>,
    /// Parts named in the document but not given: erased or withheld.
    pub withheld: Vec<String>,
}

/// Follows one chain. After an error it is of no further use.
#[derive(Clone, Debug)]
pub struct Verifier {
    head: Head,
}

impl Verifier {
    /// From the first entry of the chain on.
    pub fn new(_chain: Chain) -> Self {
        todo!()
    }

    /// From a head on that was verified before.
    pub fn resume(_chain: Chain, _head: Head) -> Self {
        todo!()
    }

    /// From the middle: the first entry must have this seq; its `previous` is taken as it is.
    pub fn starting_at(_chain: Chain, _seq: u64) -> Self {
        todo!()
    }

    /// The next entry from its row, every column checked.
    pub fn row(&mut self, _row: &Stored) -> Result<Verified<'_>, Error> {
        todo!()
    }

    /// The next entry in evidence form: one line, with or without its line end. Members of the line other than
    /// `document`, `parts` and `proof` are ignored.
    pub fn line(&mut self, _line: &[u8]) -> Result<Verified<'_>, Error> {
        todo!()
    }

    /// Head of what was verified so far.
    pub fn head(&self) -> &Head {
        &self.head
    }
}
