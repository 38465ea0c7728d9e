//! What a lane asks of the database and what it may hear back: the border between the pure machine
//! and whatever executes its statements. Data only.

use std::sync::Arc;
use std::time::Duration;

use chain::{Entry, Hash, Head, Link, Prepared, Stored, Timestamp};
use uuid::Uuid;

use crate::{Tenant, append};

/// The moment of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// This host's clock, microseconds since the Unix epoch; may jump.
    pub wall: i64,
    /// Time since some fixed moment; never goes back.
    pub steady: Duration,
}

/// Names a request between the machine and its driver.
pub type Ticket = u64;

/// An append on its way through a lane.
#[derive(Clone)]
pub struct Request {
    pub ticket: Ticket,
    pub tenant: Tenant,
    pub partition: Arc<str>,
    pub entries: Arc<[Entry]>,
    /// Of each entry, with a fresh salt.
    pub prepared: Arc<[Prepared]>,
    pub admit: Arc<dyn Fn() -> bool + Send + Sync>,
    /// On the steady clock: the request is not tried again after this.
    pub deadline: Duration,
}

pub type Answer = Result<Vec<append::Receipt>, append::Error>;

/// A chain's place in the database; the order in which head rows are locked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub tenant: Uuid,
    pub partition: Arc<str>,
}

impl Key {
    /// The same number for the same chain in every process: chooses the lane, and names the advisory
    /// lock. FNV-1a.
    pub fn number(&self) -> u64 {
        let bytes = self
            .tenant
            .as_bytes()
            .iter()
            .chain(self.partition.as_bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |state, &byte| {
            (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

impl Command {
    /// For metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Load { .. } => "load",
            Self::Create { .. } => "create",
            Self::Swap(_) => "swap",
            Self::Find { .. } => "find",
            Self::Unlock => "unlock",
        }
    }
}

/// The one statement or connection attempt that a lane waits for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Wait this long, then connect anew. Whatever the last connection left running may still end
    /// either way.
    Connect { wait: Duration },
    /// Reads heads, in this order, after taking each chain's session lock where one is named.
    Load { chains: Vec<Load> },
    /// Adds heads with size 0 where they are missing.
    Create { chains: Vec<(Key, Hash)> },
    /// The batch, as one transaction.
    Swap(Swap),
    /// Reads the entries that have these ids.
    Find { ids: Vec<Find> },
    /// Gives up all session locks.
    Unlock,
}

#[derive(Clone, Debug)]
pub struct Load {
    pub key: Key,
    pub lock: Option<i64>,
    /// The last entry that this lane acknowledged: is it still there?
    pub acknowledged: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub generation: u32,
    pub seq: u64,
    pub received_at: Timestamp,
}

/// Head rows are locked in the order of `chains`, which is their key order. A chain whose row is not
/// exactly `expected`, or of which a probed id is taken, stays as it is; the others get their rows.
#[derive(Clone, Debug)]
pub struct Swap {
    pub chains: Vec<SwapChain>,
    pub rows: Vec<Row>,
    pub probes: Vec<Probe>,
    /// Session locks that this transaction takes over and that end with it.
    pub locks: Vec<i64>,
}

#[derive(Clone, Debug)]
pub struct SwapChain {
    pub key: Key,
    pub generation: u32,
    pub expected: Head,
    pub new: Head,
}

#[derive(Clone, Debug)]
pub struct Row {
    /// Index in `Swap::chains`.
    pub chain: usize,
    pub entries: Arc<[Entry]>,
    pub index: usize,
    pub link: Link,
}

impl Row {
    pub fn entry(&self) -> &Entry {
        &self.entries[self.index]
    }
}

/// An id that may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Index in `Swap::chains`.
    pub chain: usize,
    pub id: Uuid,
}

#[derive(Clone, Debug)]
pub struct Find {
    pub tenant: Tenant,
    pub id: Uuid,
    /// A stored entry with more canonical text than this cannot have the same content, so its texts
    /// need not be sent.
    pub bytes: u64,
}

/// What became of a command. The kinds belong to the commands of the same name.
#[derive(Clone, Debug)]
pub enum Reply {
    Connected,
    Loaded {
        clock: Timestamp,
        /// As asked for; `None` where there is no such chain.
        heads: Vec<Option<Loaded>>,
    },
    Created,
    /// Committed.
    Swapped {
        clock: Timestamp,
        /// Indices of the chains that moved.
        won: Vec<usize>,
        /// Indices of the probes whose id is taken.
        taken: Vec<usize>,
    },
    Found(Vec<Found>),
    Unlocked,
    Failed(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub generation: u32,
    pub head: Head,
    /// Hash of the entry at the place asked for.
    pub acknowledged: Option<Hash>,
}

/// The entry that has an id.
#[derive(Clone, Debug)]
pub struct Found {
    pub tenant: Uuid,
    pub id: Uuid,
    /// `None` when it is not there any more, or too large to be the same.
    pub stored: Option<Stored>,
}

/// Why a command did not succeed. Except after `Lost`, nothing of it is in the database.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The connection is gone, or no reply came in time: the statement may yet commit.
    Lost(Arc<sqlx::Error>),
    /// Rolled back for a reason that passes: deadlock, time-out, lack of a resource.
    Transient(Arc<sqlx::Error>),
    /// Rolled back because another transaction took one of the ids meanwhile.
    IdTaken(Arc<sqlx::Error>),
    /// Rolled back because the database does not accept this data.
    Refused(Arc<sqlx::Error>),
}
