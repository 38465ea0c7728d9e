//! An entry as it is kept, and what can be made of it. Never reads it from anywhere.

use uuid::Uuid;

use crate::hash::{Hash, Salt};
use crate::timestamp::Timestamp;

/// One kept entry: its row, plus what its chain adds (`tenant`'s code, `generation`, `previous`).
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// What does not fit together in a stored entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{column}: {message}")]
pub struct Corrupt {
    /// Column of the entry, as the fields of [`Stored`] are named.
    pub column: &'static str,
    /// Lower-case, without a full stop, never quoting personal data.
    pub message: String,
}

/// What a reader may not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Sees everything that is there.
    Nothing,
    /// Personal parts are left out.
    Personal,
}

/// What replaces `parts`, `salt` (by `None`) and `residue` of a stored entry when parts are erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    pub parts: Option<String>,
    pub residue: String,
}

impl Stored {
    /// The document, rebuilt from the columns (format §3).
    pub fn document(&self) -> Result<String, Corrupt> {
        todo!()
    }

    /// Every column against every other, the hash recomputed. What only the chain can tell (`previous`, order,
    /// `generation`) is [`crate::verify::Verifier`]'s.
    pub fn check(&self) -> Result<(), Corrupt> {
        todo!()
    }

    /// Reading form (format §5), canonical text.
    pub fn reading_form(&self, _mask: Mask) -> Result<String, Corrupt> {
        todo!()
    }

    /// Evidence form (format §5), canonical text without a line end.
    pub fn evidence_form(&self) -> Result<String, Corrupt> {
        todo!()
    }

    /// The columns after the parts named are erased. Names that are not there (any more) change nothing.
    pub fn erase(&self, _parts: &[&str]) -> Result<Erased, Corrupt> {
        todo!()
    }
}
