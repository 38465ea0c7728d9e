//! What all parts of a worker share.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ledger::Followed;
use ledger::follow::Claims;
use queue::Queue;
use search::{Placement, Search};
use service::Shutdown;
use service::health::Health;
use tokio::sync::Semaphore;

use crate::marks::Marks;

/// For the index to come to rest at the end.
const CLOSE: Duration = Duration::from_secs(10);

/// How much a worker does at once.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Chains at once.
    pub at_once: usize,
    /// Chains that wait for their turn; beyond it nothing more is taken in.
    pub waiting: usize,
    /// From the end of one sweep to the next, about.
    pub sweep: Duration,
    /// Of one bulk; its entries' texts are in memory about three times. A single entry may be larger.
    pub rows: u32,
    pub bytes: u64,
    /// Where the index of a tenant is made for whom nothing was chosen yet.
    pub placement: Placement,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            at_once: 4,
            waiting: 1_024,
            sweep: Duration::from_secs(30),
            rows: 2_000,
            bytes: 4 << 20,
            placement: Placement::Own,
        }
    }
}

/// How long to rest after so long a work, asked after each bulk: for an indexer that shares its machine with
/// what is more urgent.
pub type Rest = Box<dyn Fn(Duration) -> Duration + Send + Sync>;

/// Cheap to clone; one for each process.
#[derive(Clone)]
pub struct State {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Followed,
    claims: Claims,
    search: Arc<dyn Search>,
    /// The followers of an index of this form.
    written: String,
    visible: String,
    queue: Option<Arc<dyn Queue>>,
    settings: Settings,
    rest: Option<Rest>,
    marks: Marks,
    /// Lost indices that are built anew at once: what is appended meanwhile must not wait for them.
    rebuilding: Semaphore,
}

impl State {
    /// Without a queue, the sweep alone finds what there is to do. Nothing is connected to yet.
    pub fn new(
        ledger: Followed,
        search: Arc<dyn Search>,
        queue: Option<Arc<dyn Queue>>,
        settings: Settings,
        rest: Option<Rest>,
    ) -> anyhow::Result<Self> {
        let claims = ledger.claims()?;
        let form = search.form();
        Ok(Self {
            inner: Arc::new(Inner {
                ledger,
                claims,
                search,
                written: search::written(form),
                visible: search::visible(form),
                queue,
                settings,
                rest,
                marks: Marks::default(),
                rebuilding: Semaphore::new((settings.at_once / 4).max(1)),
            }),
        })
    }

    pub(crate) fn ledger(&self) -> &Followed {
        &self.inner.ledger
    }

    pub(crate) fn claims(&self) -> &Claims {
        &self.inner.claims
    }

    pub(crate) fn search(&self) -> &Arc<dyn Search> {
        &self.inner.search
    }

    /// The follower whose cursor says what the index has acknowledged.
    pub(crate) fn written(&self) -> &str {
        &self.inner.written
    }

    /// The follower whose cursor says what a search finds.
    pub(crate) fn visible(&self) -> &str {
        &self.inner.visible
    }

    pub(crate) fn queue(&self) -> Option<&Arc<dyn Queue>> {
        self.inner.queue.as_ref()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn rests(&self) -> bool {
        self.inner.rest.is_some()
    }

    /// Rests, if that is wanted, after having worked for so long.
    pub(crate) async fn rest(&self, worked: Duration, shutdown: &Shutdown) {
        let Some(rest) = &self.inner.rest else { return };
        let rest = rest(worked);
        if !rest.is_zero() {
            let _ = tokio::time::timeout(rest, shutdown.wait()).await;
        }
    }

    pub(crate) fn marks(&self) -> &Marks {
        &self.inner.marks
    }

    pub(crate) fn rebuilding(&self) -> &Semaphore {
        &self.inner.rebuilding
    }

    /// Gives the connections back, and lets the index come to rest.
    pub async fn close(&self) {
        self.ledger().stop().await;
        let closed = tokio::time::timeout(CLOSE, self.search().close()).await;
        if !matches!(closed, Ok(Ok(()))) {
            tracing::warn!(?closed, "the search index was not closed in order");
        }
    }

    pub(crate) fn health(&self) -> Health {
        let (database, queue) = (self.clone(), self.clone());
        let (index, every_index) = (self.clone(), self.clone());
        let health = Health::new()
            .check("database", move || {
                let state = database.clone();
                async move { state.ledger().ready().await.context("the database") }
            })
            .check("index", move || {
                let state = index.clone();
                async move { state.search().ready().await.context("the search index") }
            })
            // The other tenants' entries are indexed all the same.
            .watch("every_index", move || {
                let state = every_index.clone();
                async move {
                    let ready = state.search().ready_for_all().await;
                    ready.context("the search index")
                }
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
