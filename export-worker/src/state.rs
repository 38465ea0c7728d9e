//! What all parts of a worker share.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use export::Jobs;
use ledger::Ledger;
use queue::Queue;
use service::health::Health;
use service::status::Feed;
use store::Store;

/// How a worker works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Jobs at once. Each takes about 30 MiB at most.
    pub at_once: usize,
    /// A worker that was not heard of for so long has lost its job.
    pub lease: Duration,
    /// Between two signs of life, which also tell how far a job is and hear of its cancelling.
    pub beat: Duration,
    /// How long the file of a finished job is kept.
    pub lifetime: Duration,
    /// How long a job that has ended is remembered.
    pub memory: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            at_once: 2,
            lease: Duration::from_secs(30),
            beat: Duration::from_secs(1),
            lifetime: Duration::from_hours(7 * 24),
            memory: Duration::from_hours(90 * 24),
        }
    }
}

/// Cheap to clone; one for each process.
#[derive(Clone)]
pub struct State {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Ledger,
    jobs: Jobs,
    store: Arc<dyn Store>,
    queue: Option<Arc<dyn Queue>>,
    feed: Feed,
    settings: Settings,
}

impl State {
    /// Without a queue, looking at the table alone finds what there is to do. `feed` says which
    /// tenants are in order. Nothing is connected to yet.
    pub fn new(
        ledger: Ledger,
        jobs: Jobs,
        store: Arc<dyn Store>,
        queue: Option<Arc<dyn Queue>>,
        feed: Feed,
        settings: Settings,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                ledger,
                jobs,
                store,
                queue,
                feed,
                settings,
            }),
        }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.inner.jobs
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.inner.store
    }

    pub(crate) fn queue(&self) -> Option<&Arc<dyn Queue>> {
        self.inner.queue.as_ref()
    }

    pub(crate) fn feed(&self) -> &Feed {
        &self.inner.feed
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Gives the connections back.
    pub async fn close(&self) {
        self.inner.ledger.stop().await;
        self.inner.jobs.close().await;
    }

    pub(crate) fn health(&self) -> Health {
        let (database, store, queue) = (self.clone(), self.clone(), self.clone());
        let health = Health::new()
            .check("database", move || {
                let state = database.clone();
                async move {
                    state.ledger().ready().await.context("the ledger")?;
                    state.jobs().ready().await.context("the job table")
                }
            })
            .check("store", move || {
                let state = store.clone();
                async move { state.store().ready().await.context("the object store") }
            });
        if self.queue().is_none() {
            return health;
        }
        health.check("queue", move || {
            let state = queue.clone();
            async move {
                match state.queue() {
                    Some(queue) => queue.ready().await.context("the queue of hints"),
                    None => Ok(()),
                }
            }
        })
    }
}

pub(crate) fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("exports_running", "Export jobs that this worker is at");
    describe_gauge!("exports_waiting", "Export jobs that nobody is at");
    describe_gauge!(
        "exports_waiting_seconds",
        "How long ago the oldest of them was asked for"
    );
    describe_counter!(
        "exports_ended_total",
        "Attempts at export jobs, by how they ended"
    );
    describe_counter!("export_rows_total", "Entries read for exports");
    describe_counter!("export_bytes_total", "Bytes of finished exports");
    describe_counter!(
        "export_objects_removed_total",
        "Objects of exports that were removed"
    );
    describe_histogram!(
        "export_duration_seconds",
        "From a claim to the finished export"
    );
}
