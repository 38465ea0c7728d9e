//! Everything that the handlers share. It never holds anything of a single request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use axum::extract::FromRef;
use ledger::{Append, Ledger, Receipt};
use queue::Queue;
use service::access::{AccessConfig, LOGS_AUDIENCE};
use service::health::Health;
use service::{Access, ApiError, Caller, Shutdown};
use tokio::sync::Semaphore;

use crate::Config;
use crate::access_record::AccessRecords;
use crate::exports::Exports;
use crate::hint::Hints;
use crate::index::Index;
use crate::read::extent::Extents;
use crate::read::wait::Waits;
use crate::stream::Streams;

/// Cheap to clone; one for each process.
#[derive(Clone)]
pub struct State {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Ledger,
    access: Access,
    origin: String,
    access_records: AccessRecords,
    hints: Hints,
    /// Where hints go; none: nobody is told.
    queue: Option<Arc<dyn Queue>>,
    waits: Waits,
    extents: Extents,
    exports: Exports,
    streams: Streams,
    index: Index,
    /// Large bodies that are parsed at once.
    parsing: Arc<Semaphore>,
    /// Entries acknowledged since the start.
    appended: AtomicU64,
}

impl State {
    /// Connects to the database, which must be migrated, and starts the lanes, the tailer and the
    /// pollers of auth-service. Does not wait for auth-service.
    pub async fn start(config: Config, shutdown: &Shutdown) -> anyhow::Result<Self> {
        let internal_secret = config.auth.internal.resolve()?;
        let exports = Exports::open(&config.database_url, &config.exports).await?;
        let mut settings = ledger::Config::new(config.database_url, config.origin.clone());
        settings.lanes = usize::from(config.lanes);
        settings.readers = config.readers;
        settings.allow_unsafe_server = config.allow_unsafe_server;
        let ledger = Ledger::start(settings).await.context("DATABASE_URL")?;
        let queue = match &config.hints.index_queue_url {
            Some(url) => Some(queue::open(url).await.context("INDEX_QUEUE_URL")?),
            None => None,
        };
        let streams = Streams::start(config.streams, &ledger, shutdown.clone())
            .context("cannot start the streams")?;
        let index = Index::open(config.search, &config.index).await?;
        let access = AccessConfig {
            auth_url: config.auth.auth_url,
            issuer: config.auth.issuer,
            audience: LOGS_AUDIENCE,
            internal_secret,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                ledger,
                access: Access::start(access, shutdown).context("AUTH_URL")?,
                origin: config.origin,
                access_records: AccessRecords::default(),
                streams,
                hints: Hints::default(),
                queue,
                waits: Waits::default(),
                extents: Extents::default(),
                exports,
                index,
                parsing: Arc::new(Semaphore::new(parsed_at_once())),
                appended: AtomicU64::new(0),
            }),
        })
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }

    pub(crate) fn access(&self) -> &Access {
        &self.inner.access
    }

    pub(crate) fn origin(&self) -> &str {
        &self.inner.origin
    }

    pub(crate) fn access_records(&self) -> &AccessRecords {
        &self.inner.access_records
    }

    /// Appends, and tells the followers of it. It never waits for the queue.
    pub(crate) async fn append(
        &self,
        append: Append,
    ) -> Result<Vec<Receipt>, ledger::append::Error> {
        let (tenant, partition) = (append.tenant.id, append.partition.clone());
        let receipts = self.inner.ledger.append(append).await?;
        let count = receipts.len() as u64;
        self.inner.appended.fetch_add(count, Ordering::Relaxed);
        if self.inner.queue.is_some() && receipts.iter().any(|receipt| !receipt.repeated) {
            self.inner.hints.note(tenant, &partition);
        }
        Ok(receipts)
    }

    /// How many entries were acknowledged since the start.
    pub fn appended(&self) -> u64 {
        self.inner.appended.load(Ordering::Relaxed)
    }

    /// Sends hints until `shutdown`.
    pub(crate) async fn send_hints(&self, shutdown: &Shutdown) {
        match &self.inner.queue {
            Some(queue) => self.inner.hints.send(&**queue, shutdown).await,
            None => shutdown.wait().await,
        }
    }

    /// For large bodies: parsing and hashing more of them at once would not append more, and keep small
    /// requests from the cores.
    pub(crate) fn parsing(&self) -> &Arc<Semaphore> {
        &self.inner.parsing
    }

    pub(crate) fn exports(&self) -> &Exports {
        &self.inner.exports
    }

    pub(crate) fn index(&self) -> &Index {
        &self.inner.index
    }

    pub(crate) fn waits(&self) -> &Waits {
        &self.inner.waits
    }

    pub(crate) fn extents(&self) -> &Extents {
        &self.inner.extents
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.inner.streams
    }

    /// Ends the open windows of access records now and writes what can be written. The service
    /// does this by itself; whoever wants to see the records at once calls it.
    pub async fn write_access_records(&self) {
        crate::access_record::close_and_write(self, None).await;
    }

    pub(crate) fn health(&self) -> Health {
        let (database, auth) = (self.clone(), self.clone());
        let (index, every_index) = (self.clone(), self.clone());
        let (queues, store) = (self.clone(), self.clone());
        Health::new()
            .check("database", move || {
                let state = database.clone();
                async move { state.ledger().ready().await.context("the database") }
            })
            .check("auth", move || {
                let ready = auth.access().ready();
                async move { ready.context("auth-service") }
            })
            // Without it the ledger answers, within bounds.
            .watch("index", move || {
                let state = index.clone();
                async move { state.index().ready().await }
            })
            .watch("every_index", move || {
                let state = every_index.clone();
                async move { state.index().ready_for_all().await }
            })
            // Without them entries and jobs are found by the workers' sweeps.
            .watch("queue", move || {
                let state = queues.clone();
                async move {
                    if let Some(queue) = &state.inner.queue {
                        queue.ready().await.context("the queue of hints")?;
                    }
                    state.exports().queue_ready().await
                }
            })
            // Without it files of finished exports cannot be downloaded.
            .watch("store", move || {
                let state = store.clone();
                async move { state.exports().store_ready().await }
            })
    }
}

impl FromRef<State> for Access {
    fn from_ref(state: &State) -> Self {
        state.access().clone()
    }
}

/// Half of the cores.
fn parsed_at_once() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

/// Whose chains a caller's request is about: always the tenant of the credential.
pub(crate) fn tenant(caller: &Caller) -> Result<ledger::Tenant, ApiError> {
    let tenant = caller.tenant()?;
    Ok(ledger::Tenant {
        id: tenant.id,
        code: tenant.code.clone(),
    })
}

/// What a reader is told when the ledger could not answer.
pub(crate) fn unanswered(error: ledger::Error) -> ApiError {
    match error {
        ledger::Error::Unavailable(_) => ApiError::unavailable("database_unavailable", error),
        other => ApiError::Internal(other.into()),
    }
}
