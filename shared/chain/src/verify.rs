//! Verification of a chain, entry by entry, in constant memory. Never trusts a derived value, never fetches one.

mod evidence;

use uuid::Uuid;

use crate::hash::Hash;
use crate::json::Buffers;
use crate::link::{Chain, Head};
use crate::stored::Stored;
use crate::timestamp::Timestamp;

/// Why verification stops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What stands where entry `seq` should stand is not what was recorded.
    #[error("entry {seq}: {place}: {message}")]
    Wrong {
        seq: u64,
        /// Column of the row, or JSON Pointer in the evidence line (`document/…` goes on inside the document).
        place: String,
        /// Lower-case, without a full stop, never quoting what was recorded.
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
    /// How many personal parts the document names.
    pub parts: usize,
    /// The tlog-proof that came with an evidence line; not verified here.
    pub proof: Option<&'a str>,
    /// Parts named in the document but not given: erased or withheld.
    pub withheld: Vec<String>,
}

/// Follows one chain. After an error it is of no further use.
pub struct Verifier {
    position: Position,
    /// Of the evidence line.
    usual: evidence::Usual,
    buffers: Buffers,
    /// The document rebuilt from a row.
    document: String,
}

/// Where in which chain verification stands.
struct Position {
    chain: Chain,
    head: Head,
    /// Whether `head.hash` is known; not before the first entry when starting in the middle.
    linked: bool,
}

impl Verifier {
    /// From the first entry of the chain on.
    pub fn new(chain: Chain) -> Self {
        let head = Head::empty(&chain);
        Self::resume(chain, head)
    }

    /// From a head on that was verified before.
    pub fn resume(chain: Chain, head: Head) -> Self {
        Self {
            position: Position {
                chain,
                head,
                linked: true,
            },
            usual: evidence::Usual::default(),
            buffers: Buffers::default(),
            document: String::new(),
        }
    }

    /// From the middle: the first entry must have this seq; its `previous` is taken as it is, except that entry 0
    /// must follow the genesis value.
    pub fn starting_at(chain: Chain, seq: u64) -> Self {
        let mut verifier = Self::new(chain);
        verifier.position.head.size = seq;
        verifier.position.linked = seq == 0;
        verifier
    }

    /// Head of what was verified so far; `None` before the first entry of a start in the middle.
    pub fn head(&self) -> Option<Head> {
        self.position.linked.then_some(self.position.head)
    }

    /// The next entry from its row, every column checked.
    pub fn row(&mut self, row: &Stored) -> Result<Verified<'_>, Error> {
        let seq = self.position.head.size;
        let wrong = |place: &str, message: &str| wrong(seq, place, message);
        if row.generation != self.position.chain.generation {
            return Err(wrong("generation", "not that of the chain"));
        }
        let place = Place {
            tenant: &row.tenant,
            partition: &row.partition,
            seq: row.seq,
            received_at: row.received_at,
            previous: row.previous,
        };
        self.position
            .follow(&place)
            .map_err(|(place, message)| wrong(place, message))?;
        let (document, parts, withheld) = row
            .checked_document()
            .map_err(|corrupt| wrong(corrupt.column, corrupt.message))?;
        self.document = document;
        self.position.advance(row.hash, row.received_at);
        Ok(Verified {
            seq,
            id: row.id,
            hash: row.hash,
            received_at: row.received_at,
            document: &self.document,
            parts,
            proof: None,
            withheld,
        })
    }
}

impl Position {
    /// Whether an entry that says to stand at `place` is the next one; otherwise which member is wrong, and why.
    fn follow(&self, place: &Place<'_>) -> Result<(), (&'static str, &'static str)> {
        if place.seq != self.head.size {
            return Err(("seq", "not the next one"));
        }
        if place.tenant != self.chain.tenant {
            return Err(("tenant", "not that of the chain"));
        }
        if place.partition != self.chain.partition {
            return Err(("partition", "not that of the chain"));
        }
        if self.linked && place.previous != self.head.hash {
            return Err(("previous", "not the hash of the entry before"));
        }
        if place.received_at < self.head.received_at {
            return Err(("received_at", "before that of the entry before"));
        }
        Ok(())
    }

    fn advance(&mut self, hash: Hash, received_at: Timestamp) {
        self.head = Head {
            size: self.head.size + 1,
            hash,
            received_at,
        };
        self.linked = true;
    }
}

/// Where an entry says it stands.
struct Place<'a> {
    tenant: &'a str,
    partition: &'a str,
    seq: u64,
    received_at: Timestamp,
    previous: Hash,
}

fn wrong(seq: u64, place: &str, message: &str) -> Error {
    Error::Wrong {
        seq,
        place: place.to_owned(),
        message: message.to_owned(),
    }
}
