//! The only SQL on chains and entries: group commit, reading, migrations. Never HTTP, and never a
//! decision about who may do what.

pub mod append;
mod config;
mod connect;
mod driver;
mod entries;
mod failure;
pub mod follow;
#[doc(hidden)]
pub mod lane;
mod lanes;
mod migrate;
pub mod read;
mod rows;
mod statements;
mod thread;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chain::{Hash, Timestamp};
use sqlx::postgres::{PgConnectOptions, PgPool};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

pub use append::{Append, Receipt};
pub use config::Config;
use driver::{Driver, Submission};
pub use entries::Entries;
pub use follow::{Behind, Chain, Cursor, Cursors, Followed, Head, Unindexed};
use lane::{Heads, Key, Lane, Request};
use lanes::{Lanes, Refused};
pub use migrate::migrate;
pub use read::{
    AtPlaces, Audit, AuditPage, IdRow, Limit, Order, Place, Range, Scan, Times, View, Window,
};

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
    /// A stored row has a shape that nothing of ours writes, and that the tables' constraints refuse.
    #[error("{partition}/{seq}: the stored row is damaged: {what}")]
    Damaged {
        partition: String,
        seq: i64,
        what: &'static str,
    },
}

/// The chains of one database. Cheap to clone; all clones share lanes and connections.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    origin: String,
    lanes: Lanes,
    running: Mutex<Vec<JoinHandle<()>>>,
    stop: watch::Sender<bool>,
    patience: Duration,
    readers: PgPool,
    /// Who has a reader's connection and waits for somebody else.
    ahead: Arc<Semaphore>,
    writers: PgPool,
    tail: PgConnectOptions,
}

/// Requests on their way to a lane that has not looked yet; more are `Overloaded`.
const IN_TRANSIT: usize = 4_096;
/// How much longer than the lane its callers wait, so that the lane says what became of a request
/// wherever it knows.
const GRACE: Duration = Duration::from_secs(1);

impl Ledger {
    /// Checks the server and starts the lanes. The schema must be there: see [`migrate()`].
    pub async fn start(config: Config) -> Result<Self, Error> {
        connect::check_server(&config).await?;
        let (stop, _) = watch::channel(false);
        let mut lanes = Vec::new();
        let mut running = Vec::new();
        let heads = Heads::default();
        for _ in 0..config.lanes.max(1) {
            let (sender, submissions) = mpsc::channel(IN_TRANSIT);
            let origin = config.origin.clone();
            let lane = Lane::new(origin, config.queue_bytes, heads.clone());
            let options = connect::lane_options(&config)?;
            let driver = |answered| {
                let origin = config.origin.clone();
                Driver::new(lane, options, origin, config.append_timeout, answered)
            };
            let started = thread::start(driver, submissions, stop.subscribe());
            running.push(started.map_err(|error| Error::Unavailable(error.into()))?);
            lanes.push(sender);
        }
        let shared = Shared {
            lanes: Lanes::new(lanes),
            running: Mutex::new(running),
            stop,
            patience: config.append_timeout + GRACE,
            readers: connect::readers(&config)?,
            ahead: read::ahead(config.readers),
            writers: connect::writers(&config)?,
            tail: connect::tail_options(&config)?,
            origin: config.origin,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// For whoever only reads: no lanes, and no role but `veritrail_read`. What is appended to it is
    /// refused. Does not connect yet; [`Ledger::ready`] tells whether the database is the right one.
    pub fn read_only(config: Config) -> Result<Self, Error> {
        let (stop, _) = watch::channel(false);
        let shared = Shared {
            lanes: Lanes::new(Vec::new()),
            running: Mutex::default(),
            stop,
            patience: config.append_timeout + GRACE,
            readers: connect::readers(&config)?,
            ahead: read::ahead(config.readers),
            writers: connect::readers(&config)?,
            tail: connect::reader_options(&config)?,
            origin: config.origin,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Finishes what waits in the lanes, refuses what comes later, closes all connections.
    pub async fn stop(&self) {
        self.shared.stop.send_replace(true);
        let running = {
            let mut lock = self.shared.running.lock();
            let running = lock.as_mut().unwrap_or_else(PoisonError::get_mut);
            std::mem::take(&mut **running)
        };
        for lane in running {
            if let Err(error) = lane.await {
                tracing::error!(%error, "a lane ended early");
            }
        }
        self.shared.readers.close().await;
        self.shared.writers.close().await;
    }

    /// The installation's name, which every chain's genesis hash contains.
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// Answers when the lanes run, and a short statement made the round trip to a database that is
    /// this installation's.
    pub async fn ready(&self) -> Result<(), Error> {
        if !self.shared.lanes.are_running() {
            return Err(Error::Unavailable(sqlx::Error::WorkerCrashed));
        }
        let stored = sqlx::query_scalar!("select origin from ledger.installation")
            .fetch_optional(&self.shared.readers)
            .await
            .map_err(Error::from_sqlx)?;
        match stored {
            Some(stored) if stored != self.shared.origin => Err(Error::OtherOrigin {
                configured: self.shared.origin.clone(),
                stored,
            }),
            _ => Ok(()),
        }
    }

    /// Appends all of the entries, in order and consecutively, or none.
    ///
    /// Receipts come in the order of the entries. An id that is already there with the same content
    /// gets its first receipt, `repeated`; the rest of the request is appended. Dropping the future
    /// does not take the request back.
    pub async fn append(&self, append: Append) -> Result<Vec<Receipt>, append::Error> {
        let partition = append.partition.as_str();
        if append
            .entries
            .iter()
            .any(|entry| entry.partition() != partition)
        {
            let error =
                sqlx::Error::Encode("an entry is of another partition than its request".into());
            return Err(append::Error::Refused(Arc::new(error)));
        }
        let partition = Arc::from(partition);
        let Entries { entries, prepared } = append.entries;
        let request = Request {
            ticket: 0,
            tenant: append.tenant,
            partition,
            prepared,
            entries,
            admit: append.admit,
            deadline: Duration::ZERO,
        };
        let key = Key {
            tenant: request.tenant.id,
            partition: Arc::clone(&request.partition),
        };
        if self.shared.lanes.are_none() {
            let error = sqlx::Error::Encode("this ledger only reads".into());
            return Err(append::Error::Refused(Arc::new(error)));
        }
        let (answer, answered) = oneshot::channel();
        let count = request.entries.len();
        let submission = |place| Submission {
            request,
            answer,
            place,
        };
        self.shared
            .lanes
            .send(key, count, submission)
            .map_err(|error| match error {
                Refused::Full => append::Error::Overloaded,
                Refused::Stopped => append::Error::Unavailable(None),
            })?;
        match tokio::time::timeout(self.shared.patience, answered).await {
            Ok(Ok(answer)) => answer,
            // The statement may be under way still, or the lane's task is gone.
            Ok(Err(_)) | Err(_) => Err(append::Error::Unknown(None)),
        }
    }
}
