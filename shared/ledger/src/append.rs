//! What is asked of the append path, and what it answers.

use std::sync::Arc;

use chain::{Hash, Timestamp};
use uuid::Uuid;

use crate::{Entries, Tenant};

/// One request: entries for one partition, all or nothing.
pub struct Append {
    pub tenant: Tenant,
    pub partition: String,
    pub entries: Entries,
    /// Asked once more in the lane, right before the entries are linked: whoever was shut out while
    /// the request waited is refused. Must not block.
    pub admit: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// Where an entry stands in its chain. What a receipt says is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub id: Uuid,
    pub partition: String,
    pub seq: u64,
    pub received_at: Timestamp,
    pub hash: Hash,
    pub previous: Hash,
    /// The entry was there before this request; this is its first receipt.
    pub repeated: bool,
}

/// Why nothing of a request was acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("the partition does not exist")]
    UnknownPartition,
    /// The id belongs to an entry of other content, or in another partition.
    #[error("entry {index}: the id {id} belongs to another entry")]
    Conflict { index: usize, id: Uuid },
    /// `admit` said no.
    #[error("the caller is no longer admitted")]
    NotAdmitted,
    /// The database is behind what this process acknowledged; the chain stays closed.
    #[error("the database went back in time")]
    RollbackDetected,
    #[error("this host's clock is more than 5 s away from the database's")]
    ClockSkew,
    /// Too much is waiting; nothing was tried.
    #[error("too many entries are waiting")]
    Overloaded,
    /// The database cannot be reached and nothing of the request is stored, or the ledger stops.
    #[error("the database is not available")]
    Unavailable(#[source] Option<Arc<sqlx::Error>>),
    /// No answer in time: the entries may or may not be stored. Sending the same ids again is safe.
    #[error("no answer from the database; the outcome is unknown")]
    Unknown(#[source] Option<Arc<sqlx::Error>>),
    /// The database refuses this request, and only this one.
    #[error("the database refused the entries")]
    Refused(#[source] Arc<sqlx::Error>),
}
