//! The only SQL on chains and entries: group commit, reading, migrations. Never HTTP, and never a
//! decision about who may do what.

pub mod append;
mod config;
pub mod read;

use chain::{Hash, Stored, Timestamp};
use uuid::Uuid;

pub use append::{Append, Receipt};
pub use config::Config;
pub use read::{Audit, AuditPage, IdRow, Limit, Order, Range, Scan, Times, Window};

/// Whose chains are meant. The id is the key of every statement; the code is what entries name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenant {
    pub id: Uuid,
    pub code: String,
}

/// A chain of a tenant as its head row has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub partition: String,
    pub generation: u32,
    /// Number of entries; the last one has seq `size - 1`.
    pub size: u64,
    /// The last entry's hash, or the chain's genesis hash while `size` is 0.
    pub hash: Hash,
    /// When the last entry was received; `None` while `size` is 0.
    pub received_at: Option<Timestamp>,
}

/// Why the ledger could not start, or could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, or did not answer in time; trying again is right.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The database answered with a refusal that trying again will not change.
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
    #[error("migrating the schema ledger failed")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The server could lose what it acknowledged.
    #[error("the server runs with {setting} = off, which can lose acknowledged entries")]
    UnsafeServer { setting: &'static str },
    #[error("the server is PostgreSQL {version}; 15 is the oldest supported")]
    OldServer { version: String },
    /// Every genesis hash names the origin, so it can never change.
    #[error("this database belongs to the installation {stored}, not to {configured}")]
    OtherOrigin { stored: String, configured: String },
    #[error("the origin {0} is not a schema-less URL in lower case of at most 100 bytes")]
    InvalidOrigin(String),
    /// The name of a partition breaks its rule.
    #[error("{0} is not a partition name")]
    InvalidPartition(String),
    /// A stored row has a shape that nothing of ours writes.
    #[error("{partition}/{seq}: the stored row is damaged: {what}")]
    Damaged {
        partition: String,
        seq: i64,
        what: &'static str,
    },
}

/// Creates the schema `ledger` with its roles, or brings it up to date. May run in several
/// processes at once; changes nothing when there is nothing to do.
///
/// `url` is a connection of a superuser, or of a login role that may create roles and schemas.
pub async fn migrate(url: &str) -> Result<(), Error> {
    let _ = url;
    todo!()
}

/// The chains of one database. Cheap to clone; all clones share lanes and connections.
#[derive(Clone)]
pub struct Ledger {}

impl Ledger {
    /// Connects, checks the server and starts the lanes. The schema must be there: see [`migrate`].
    pub async fn start(config: Config) -> Result<Self, Error> {
        let _ = config;
        todo!()
    }

    /// Finishes what waits in the lanes, refuses what comes later, closes all connections.
    pub async fn stop(&self) {
        todo!()
    }

    /// Answers when one short statement made the round trip.
    pub async fn ready(&self) -> Result<(), Error> {
        todo!()
    }

    /// Appends all of the entries, in order and consecutively, or none.
    ///
    /// Receipts come in the order of the entries. An id that is already there with the same content
    /// gets its first receipt, `repeated`; the rest of the request is appended.
    pub async fn append(&self, append: Append) -> Result<Vec<Receipt>, append::Error> {
        let _ = append;
        todo!()
    }

    /// Creates a chain; `false` when it was there. `default` and `system` need no creating.
    pub async fn create_partition(&self, tenant: &Tenant, partition: &str) -> Result<bool, Error> {
        let _ = (tenant, partition);
        todo!()
    }

    /// All chains of a tenant by name; `default` and `system` also when nothing was written yet.
    pub async fn partitions(&self, tenant: &Tenant) -> Result<Vec<Partition>, Error> {
        let _ = tenant;
        todo!()
    }

    /// Names of partitions that have entries or ids but no chain: nothing of ours leaves such rows.
    pub async fn unchained(&self, tenant: &Tenant) -> Result<Vec<String>, Error> {
        let _ = tenant;
        todo!()
    }

    pub async fn by_id(&self, tenant: &Tenant, id: Uuid) -> Result<Option<Stored>, Error> {
        let _ = (tenant, id);
        todo!()
    }

    /// One page of a chain in key order. Empty for a partition that does not exist.
    pub async fn range(
        &self,
        tenant: &Tenant,
        partition: &str,
        range: Range,
    ) -> Result<Vec<Stored>, Error> {
        let _ = (tenant, partition, range);
        todo!()
    }

    /// The parts of the named chains (all of them when `partitions` is empty) that were received in
    /// `times`, up to the heads of this moment: the fixed bounds of a listing over several pages.
    pub async fn windows(
        &self,
        tenant: &Tenant,
        partitions: &[String],
        times: Times,
    ) -> Result<Vec<Window>, Error> {
        let _ = (tenant, partitions, times);
        todo!()
    }

    /// One page over several windows, ordered by (`received_at`, partition, generation, seq).
    /// The next page is asked for with the windows narrowed by what was read: see [`Scan::consume`].
    pub async fn by_time(&self, tenant: &Tenant, scan: &Scan) -> Result<Vec<Stored>, Error> {
        let _ = (tenant, scan);
        todo!()
    }

    /// One page of everything that is stored of a partition, whatever its shape: rows outside the
    /// chain's range and several rows for one seq included, each with its row of the id table.
    pub async fn audit(
        &self,
        tenant: &Tenant,
        partition: &str,
        after: Option<&Audit>,
        limit: Limit,
    ) -> Result<AuditPage, Error> {
        let _ = (tenant, partition, after, limit);
        todo!()
    }

    /// Rows of the id table, in id order after `after`, that do not point at an entry with that id,
    /// and the id to go on from (`None` at the end).
    pub async fn audit_ids(
        &self,
        tenant: &Tenant,
        after: Option<Uuid>,
        rows: u32,
    ) -> Result<(Vec<IdRow>, Option<Uuid>), Error> {
        let _ = (tenant, after, rows);
        todo!()
    }
}
