//! The search index as this service has it: perhaps none, perhaps down. It is asked within bounds, and
//! left alone for a while after it could not be asked, so that nobody waits for it in vain.

mod resting;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use chain::Mask;
use ledger::Chain;
use query::{Filter, Order};
use search::{Ask, Error, Search, Window};
use tokio::time::Instant;
use uuid::Uuid;

use self::resting::Resting;

/// The longest that a reader waits for it; then the ledger answers.
const PATIENCE: Duration = Duration::from_secs(3);
const QUIET: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Index {
    search: Option<Arc<dyn Search>>,
    resting: Resting,
    /// When a failure was logged last.
    logged: Mutex<Option<Instant>>,
}

impl Index {
    /// The one that the process has already, or the one that is configured. Does not wait for it.
    pub(crate) async fn open(
        given: Option<Arc<dyn Search>>,
        config: &search::Config,
    ) -> anyhow::Result<Self> {
        let search = match (given, config.settings()?) {
            (Some(given), _) => Some(given),
            (None, Some(settings)) => Some(search::open(settings).await.context("INDEX_URL")?),
            (None, None) => None,
        };
        Ok(Self {
            search,
            resting: Resting::default(),
            logged: Mutex::default(),
        })
    }

    /// `None` where there is none, or none to be asked about this tenant now.
    pub(crate) fn get(&self, tenant: Uuid) -> Option<&dyn Search> {
        if self.resting.holds_for(tenant) {
            return None;
        }
        self.search.as_deref()
    }

    /// What it answers, in bounded time. `None` where the ledger has to answer instead: its reason is
    /// logged here, and is never the reader's matter.
    pub(crate) async fn answer<T>(
        &self,
        tenant: Uuid,
        asked: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<T>, TooManyBuckets> {
        let error = match self.ask(tenant, asked).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(Error::TooManyBuckets) => return Err(TooManyBuckets),
            Err(error) => error,
        };
        metrics::counter!("search_fallbacks_total").increment(1);
        if self.is_news() {
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::warn!(%tenant, error, "the ledger answers for the search index");
        }
        Ok(None)
    }

    /// Whether it is the one that answers the tenant's searches now: asks it for a single entry of this chain,
    /// which it need not have.
    pub(crate) async fn answers(&self, chain: &Chain, seq: u64) -> bool {
        let Some(search) = self.get(chain.tenant) else {
            return false;
        };
        let window = Window {
            partition: chain.partition.clone(),
            generation: 1,
            from: seq,
            to: seq.saturating_add(1),
        };
        let ask = Ask {
            filter: &Filter::default(),
            windows: &[window],
            mask: Mask::Nothing,
            order: Order::default(),
            limit: 1,
            after: None,
        };
        let asked = self.ask(chain.tenant, search.find(chain.tenant, &ask));
        !matches!(asked.await, Err(Error::Unavailable(_)))
    }

    /// In bounded time. After a failure that may last, it is left alone: by all when nothing answers at its
    /// address, by this tenant when it can be his index alone that is slow, overloaded or without a shard.
    async fn ask<T>(
        &self,
        tenant: Uuid,
        asked: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let outcome = tokio::time::timeout(PATIENCE, asked).await;
        let outcome = outcome.unwrap_or_else(|late| Err(Error::Unavailable(late.into())));
        match &outcome {
            Err(error) if error.is_unreachable() => self.resting.begin(),
            Err(Error::Unavailable(_)) => self.resting.begin_for(tenant),
            _ => {}
        }
        outcome
    }

    /// Not every search that fails has a line of its own.
    fn is_news(&self) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let news = logged.is_none_or(|last| last.elapsed() >= QUIET);
        if news {
            *logged = Some(Instant::now());
        }
        news
    }

    /// Says so where it is down; nothing that this service does stops for it.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        match &self.search {
            Some(search) => search.ready().await.context("the search index"),
            None => Ok(()),
        }
    }

    /// Also says so where that of a single tenant is.
    pub(crate) async fn ready_for_all(&self) -> anyhow::Result<()> {
        match &self.search {
            Some(search) => search.ready_for_all().await.context("the search index"),
            None => Ok(()),
        }
    }
}

/// What only the reader can change.
pub(crate) struct TooManyBuckets;
