//! What readers ask for and get: pages bounded in rows and bytes, each one short statement.

mod audit;
mod entries;
mod partitions;
mod places;
mod tail;
mod view;

use chain::{Hash, Stored, Timestamp};
use uuid::Uuid;

pub use self::places::{AtPlaces, Place};
pub use self::tail::{Grown, Growth, Tail, TenantHead};
pub use self::view::View;
pub(crate) use self::view::ahead;

/// Bounds of one page. A page that is not at the end has at least one row, however large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub rows: u32,
    /// Of canonical text (`event`, `parts`, `residue`).
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Ascending,
    Descending,
}

/// Seqs `from..to` of a chain, read from the end that `order` begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// `None`: the current generation.
    pub generation: Option<u32>,
    pub from: u64,
    pub to: u64,
    pub order: Order,
    pub limit: Limit,
}

/// Received at or after `from` and before `to`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// Seqs `from..to` of one chain, still to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub partition: String,
    pub generation: u32,
    pub from: u64,
    pub to: u64,
}

/// A page over several windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    pub windows: Vec<Window>,
    /// Rows outside are left out; a narrow range lets the database skip chunks.
    pub times: Times,
    pub order: Order,
    pub limit: Limit,
}

impl Scan {
    /// Narrows an entry's window so that the next page begins after it.
    pub fn consume(&mut self, partition: &str, generation: u32, seq: u64) {
        let mut windows = self.windows.iter_mut();
        let own = windows.find(|w| w.partition == partition && w.generation == generation);
        let Some(window) = own else {
            return;
        };
        match self.order {
            Order::Ascending => window.from = window.from.max(seq + 1),
            Order::Descending => window.to = window.to.min(seq),
        }
    }
}

/// Where an audit goes on: after this row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    pub generation: i32,
    pub seq: i64,
    pub received_at: Timestamp,
}

/// A row of the id table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdRow {
    pub id: Uuid,
    pub partition: String,
    pub generation: u32,
    pub seq: u64,
    pub received_at: Timestamp,
}

/// A page of an audit. All of it is from one snapshot.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// The chain's row; `None` when the partition has none.
    pub head: Option<AuditHead>,
    pub rows: Vec<AuditRow>,
    /// `None`: the rows end here, at the state that `head` shows.
    pub next: Option<Audit>,
}

/// The chain's row as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditHead {
    pub generation: u32,
    pub size: u64,
    pub hash: Hash,
    /// `None` while nothing was ever received.
    pub received_at: Option<Timestamp>,
}

/// An entry's row in key order (generation, seq, `received_at`), with what the id table says of its id.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// `previous` is the hash of the row before it, whatever its seq; the genesis hash for the first
    /// row of a generation.
    pub stored: Stored,
    /// `None`: the id table does not know the id.
    pub indexed: Option<IdRow>,
}
