//! An entry as it is kept, and whether its columns fit together. Never reads it from anywhere.

use std::fmt;

use uuid::Uuid;

use crate::cut;
use crate::digest::{self, Place, entry_hash};
use crate::entry::Entry;
use crate::hash::{Hash, Salt};
use crate::link::{Chain, Link};
use crate::residue::{Part, personal};
use crate::timestamp::Timestamp;

/// One kept entry: its row, plus what its chain adds (`tenant`'s code, `generation`, `previous`).
/// `Debug` shows no personal part.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The tenant's code.
    pub tenant: String,
    pub partition: String,
    /// From 1.
    pub generation: u32,
    pub seq: u64,
    pub received_at: Timestamp,
    pub id: Uuid,
    /// `None` where the entry has no parts, and after an erasure.
    pub salt: Option<Salt>,
    pub hash: Hash,
    pub previous: Hash,
    /// Canonical text.
    pub event: String,
    /// Canonical text of `{part: value, …}`; `None` when there are none (any more).
    pub parts: Option<String>,
    /// After an erasure, canonical text of `{"digests": {part: hex, …}, "salts": {part: hex, …}}`: digests of the
    /// parts that went, part salts of those that stay.
    pub residue: Option<String>,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("tenant", &self.tenant)
            .field("partition", &self.partition)
            .field("generation", &self.generation)
            .field("seq", &self.seq)
            .field("received_at", &self.received_at)
            .field("id", &self.id)
            .field("hash", &self.hash)
            .field("previous", &self.previous)
            .field("event", &self.event)
            .field("residue", &self.residue)
            .finish_non_exhaustive()
    }
}

/// What does not fit together in a stored entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{column}: {message}")]
pub struct Corrupt {
    /// Column of the entry, as the fields of [`Stored`] are named.
    pub column: &'static str,
    /// Lower-case, without a full stop, never quoting what is stored.
    pub message: &'static str,
}

impl Corrupt {
    pub(crate) fn new(column: &'static str, message: &'static str) -> Self {
        Self { column, message }
    }
}

impl Stored {
    /// The row of an entry that [`Head::link`](crate::Head::link) put into the chain, with all of its parts.
    pub fn new(chain: &Chain, entry: &Entry, link: &Link) -> Self {
        Self {
            tenant: chain.tenant.clone(),
            partition: entry.partition().to_owned(),
            generation: chain.generation,
            seq: link.seq,
            received_at: link.received_at,
            id: entry.id(),
            salt: link.salt,
            hash: link.hash,
            previous: link.previous,
            event: entry.event().to_owned(),
            parts: entry.parts().map(str::to_owned),
            residue: None,
        }
    }

    /// The document, rebuilt from the columns (format §3). It is the one that was hashed only if [`Stored::check`]
    /// says so.
    pub fn document(&self) -> Result<String, Corrupt> {
        Ok(self.document_of(&personal(self)?))
    }

    /// Every column against every other, the hash recomputed. What only the chain can tell (`previous`, order,
    /// `generation`) is [`crate::verify::Verifier`]'s.
    pub fn check(&self) -> Result<(), Corrupt> {
        self.checked_document().map(drop)
    }

    /// The document, after [`Stored::check`]; how many parts it names, and the names of the erased ones.
    pub(crate) fn checked_document(&self) -> Result<(String, usize, Vec<String>), Corrupt> {
        let event = cut::members(&self.event).unwrap_or_default();
        let id = event.iter().find(|(name, _)| *name == "id");
        let id = id
            .and_then(|(_, id)| cut::string(id).ok())
            .ok_or(Corrupt::new("event", "not a canonical event"))?;
        if id
            != self
                .id
                .hyphenated()
                .encode_lower(&mut Uuid::encode_buffer())
        {
            return Err(Corrupt::new("id", "not the id in the event"));
        }
        let parts = personal(self)?;
        let document = self.document_of(&parts);
        if entry_hash(&document) != self.hash {
            return Err(Corrupt::new(
                "hash",
                "not the hash of the document that the columns give",
            ));
        }
        let erased = parts
            .iter()
            .filter(|part| part.kept.is_none())
            .map(|part| part.name.to_owned())
            .collect();
        Ok((document, parts.len(), erased))
    }

    pub(crate) fn document_of(&self, parts: &[Part<'_>]) -> String {
        let place = Place {
            previous: self.previous,
            received_at: self.received_at,
            seq: self.seq,
            tenant: &self.tenant,
        };
        let digests = parts.iter().map(|part| (part.name, part.digest));
        digest::document(&self.event, &self.partition, digests, &place)
    }
}
