//! What followers need: the chains of all tenants from a cursor to the head, in short pages, and the
//! cursors themselves. A follower never appends, and changes no entry.

mod claims;
mod cursors;
mod due;
mod entries;
mod fence;
mod placements;
mod unindexed;

use std::time::Duration;

use chain::Timestamp;
use secrecy::SecretString;
use sqlx::postgres::PgPool;
use uuid::Uuid;

pub use claims::Claims;
pub(crate) use cursors::epoch;
pub use fence::Hold;
pub use unindexed::Unindexed;

use crate::{Error, connect};

/// Settings of a follower's connections; [`Config::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Connection URL of a login role that is a member of `veritrail_follow`.
    pub url: SecretString,
    /// Upper bound of connections.
    pub connections: u32,
    /// How long a statement waits for a connection.
    pub acquire_timeout: Duration,
}

impl Config {
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            connections: 8,
            acquire_timeout: Duration::from_secs(5),
        }
    }
}

/// The ledger as a follower has it. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Followed {
    pool: PgPool,
    config: Config,
}

/// Whose and which chain, whatever its generation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Chain {
    pub tenant: Uuid,
    pub partition: String,
}

/// How far a chain is. No entry, no hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub tenant: Uuid,
    pub partition: String,
    pub generation: u32,
    /// Number of entries; the last one has seq `size - 1`.
    pub size: u64,
    /// Of the last entry; the earliest time while there is none.
    pub received_at: Timestamp,
}

/// How far a follower is in all chains of a tenant, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursors {
    /// In no particular order.
    pub cursors: Vec<Cursor>,
    /// See [`Ledger::epoch`](crate::Ledger::epoch); 0 where there are no cursors.
    pub epoch: i64,
}

/// How far a follower is in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub tenant: Uuid,
    pub partition: String,
    pub generation: u32,
    /// The seq of the first entry that is not done.
    pub next: u64,
    /// Of the last entry that is done; the earliest time while there is none.
    pub received_at: Timestamp,
}

/// A chain that a follower has to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    pub cursor: Cursor,
    /// Seqs `cursor.next..size` are to be done.
    pub size: u64,
    /// Since when the first of them waits.
    pub since: Timestamp,
    /// What [`Followed::advance`] asks for.
    pub epoch: i64,
    /// Nothing is to be done now: somebody sets this tenant's cursors back.
    pub held: bool,
}

/// What a follower reads of an entry. Neither the tenant's code nor anything of the chain is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub seq: u64,
    /// `None`: the row has a time that nothing of ours writes.
    pub received_at: Option<Timestamp>,
    pub id: Uuid,
    /// Canonical text.
    pub event: String,
    /// Canonical text of `{part: value, …}`.
    pub parts: Option<String>,
    /// Canonical text; what an erasure left.
    pub residue: Option<String>,
}

impl Followed {
    /// Connects when something is asked for. The schema must be there: see [`crate::migrate()`].
    pub fn new(config: Config) -> Result<Self, Error> {
        Ok(Self {
            pool: connect::followers(&config)?,
            config,
        })
    }

    /// Answers when one short statement on the cursors made the round trip.
    pub async fn ready(&self) -> Result<(), Error> {
        sqlx::query!(r#"select exists (select from ledger.cursors) as "there!""#)
            .fetch_one(&self.pool)
            .await
            .map_err(Error::from_sqlx)?;
        Ok(())
    }

    /// Closes all connections.
    pub async fn stop(&self) {
        self.pool.close().await;
    }
}
