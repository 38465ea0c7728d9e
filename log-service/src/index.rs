//! The search index as this service has it: perhaps none, perhaps down. It is asked within bounds, and
//! left alone for a while after it could not be reached, so that nobody waits for it in vain.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use search::{Error, Search};
use tokio::time::Instant;

/// The longest that a reader waits for it; then the ledger answers.
const PATIENCE: Duration = Duration::from_secs(3);
const REST: Duration = Duration::from_secs(2);
const QUIET: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Index {
    search: Option<Arc<dyn Search>>,
    /// Not asked before this.
    resting: Mutex<Option<Instant>>,
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
            resting: Mutex::default(),
            logged: Mutex::default(),
        })
    }

    /// Whether there is one at all; without it searches are the ledger's, which has everything.
    pub(crate) fn is_there(&self) -> bool {
        self.search.is_some()
    }

    /// `None` where there is none, or none to be asked now.
    pub(crate) fn get(&self) -> Option<&dyn Search> {
        let resting = *self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        self.search.as_deref()
    }

    /// What it answers, in bounded time. `None` where the ledger has to answer instead: its reason is
    /// logged here, and is never the reader's matter.
    pub(crate) async fn answer<T>(
        &self,
        asked: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<T>, TooManyBuckets> {
        let error = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => return Ok(Some(answer)),
            Ok(Err(Error::TooManyBuckets)) => return Err(TooManyBuckets),
            Ok(Err(error)) => error,
            Err(late) => Error::Unavailable(late.into()),
        };
        if let Error::Unavailable(_) = error {
            let until = Instant::now() + REST;
            *self.resting.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        }
        metrics::counter!("search_fallbacks_total").increment(1);
        if self.is_news() {
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::warn!(error, "the ledger answers for the search index");
        }
        Ok(None)
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
}

/// What only the reader can change.
pub(crate) struct TooManyBuckets;
