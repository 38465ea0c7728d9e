//! The workers of the one process: indexer and exports, on a runtime of their own, so that what they
//! do never keeps a thread from an append. The index and the files are folders of the data directory.

use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use ledger::{Followed, Ledger};
use queue::Queue;
use search::{Busy, Search};
use secrecy::{ExposeSecret as _, SecretString};
use service::Shutdown;
use service::background::{Background, half_of_the_cores};
use service::status::Feed;
use tokio::task::JoinSet;
use url::Url;

use super::pace::Pace;

/// Chains that are indexed, and exports that are written, at once.
const AT_ONCE: u16 = 2;

/// Niceness of the workers' threads: where they and the services would fill the cores, the index is later. What is done
/// in idle moments slows appends all the same, by caches and by the disk (`bench/RESULTS.md`).
const GIVEN_WAY: i32 = 10;

/// Where the parts are that log-service and the workers share.
pub(crate) struct Places {
    pub(crate) index: Url,
    pub(crate) objects: Url,
    pub(crate) index_queue: SecretString,
    pub(crate) export_queue: SecretString,
}

impl Places {
    pub(crate) fn new(data: &Path, database: &SecretString) -> anyhow::Result<Self> {
        let folder = |name: &str| {
            let path = data.join(name);
            Url::from_directory_path(&path).map_err(|()| anyhow!("{} is no path", path.display()))
        };
        Ok(Self {
            index: folder("index")?,
            objects: folder("objects")?,
            index_queue: queue(database, "index"),
            export_queue: queue(database, "exports"),
        })
    }
}

fn queue(database: &SecretString, name: &str) -> SecretString {
    let database = database.expose_secret();
    let sign = if database.contains('?') { '&' } else { '?' };
    format!("{database}{sign}queue={name}").into()
}

/// What the workers are started with.
pub(crate) struct Wanted<'a> {
    pub(crate) database: &'a SecretString,
    pub(crate) origin: &'a str,
    pub(crate) places: &'a Places,
    /// `None`: nothing is indexed.
    pub(crate) search: Option<Arc<dyn Search>>,
    /// Which tenants are in order.
    pub(crate) feed: Feed,
    /// What the index is told.
    pub(crate) busy: Busy,
    /// How many entries were acknowledged so far.
    pub(crate) appended: Box<dyn Fn() -> u64 + Send + Sync>,
}

pub(crate) struct Workers {
    background: Background,
    indexer: Option<indexer_worker::State>,
    exporter: export_worker::State,
}

/// The index, which log-service asks and the indexer writes.
pub(crate) async fn search(places: &Places, busy: Busy) -> anyhow::Result<Arc<dyn Search>> {
    let config = search::Config {
        index_url: Some(places.index.clone()),
        ..search::Config::default()
    };
    let mut settings = config.settings()?.context("no index")?;
    settings.busy = busy;
    search::open(settings)
        .await
        .context("cannot open the index")
}

impl Workers {
    /// Opens what they work with, on their own runtime. They begin with [`Workers::run`].
    pub(crate) async fn open(wanted: Wanted<'_>) -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let background = Background::start("worker", half_of_the_cores(), GIVEN_WAY)
            .context("cannot start the workers")?;
        let Wanted {
            database,
            origin,
            places,
            search,
            feed,
            busy,
            appended,
        } = wanted;
        let open = {
            let (database, origin) = (database.clone(), origin.to_owned());
            let objects = places.objects.to_string();
            let queues = [places.index_queue.clone(), places.export_queue.clone()];
            async move {
                let [index_queue, export_queue] = queues;
                let export_queue = queue::open(&export_queue).await?;
                let indexer = match search {
                    Some(search) => {
                        let index_queue = queue::open(&index_queue).await?;
                        let pace = Pace::new(Instant::now(), appended(), cores, busy);
                        let rest = move |worked| pace.rest(Instant::now(), appended(), worked);
                        Some(indexer(&database, search, index_queue, Box::new(rest))?)
                    }
                    None => None,
                };
                let store = store::open(&objects, None).await?;
                let exporter = exporter(&database, origin, store, export_queue, feed)?;
                anyhow::Ok((indexer, exporter))
            }
        };
        let (indexer, exporter) = background.handle().spawn(open).await??;
        Ok(Self {
            background,
            indexer,
            exporter,
        })
    }

    /// Until `stop`, and until what is under way then has ended or was given back.
    pub(crate) async fn run(self, stop: Shutdown) {
        let handle = self.background.handle();
        let mut work = JoinSet::new();
        if let Some(indexer) = self.indexer.clone() {
            work.spawn_on(indexer_worker::run(indexer, stop.clone()), handle);
        }
        work.spawn_on(export_worker::run(self.exporter.clone(), stop), handle);
        // One that ends before it was told to has failed, and the whole with it.
        while let Some(ended) = work.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a worker failed");
                return;
            }
        }
        let close = async move {
            self.exporter.close().await;
            if let Some(indexer) = self.indexer {
                indexer.close().await;
            }
        };
        let _ = handle.spawn(close).await;
    }
}

fn indexer(
    database: &SecretString,
    search: Arc<dyn Search>,
    queue: Arc<dyn Queue>,
    rest: indexer_worker::Rest,
) -> anyhow::Result<indexer_worker::State> {
    let mut config = ledger::follow::Config::new(database.clone());
    config.connections = u32::from(AT_ONCE) * 2 + 2;
    let settings = indexer_worker::Settings {
        at_once: AT_ONCE.into(),
        ..indexer_worker::Settings::default()
    };
    let ledger = Followed::new(config)?;
    indexer_worker::State::new(ledger, search, Some(queue), settings, Some(rest))
}

fn exporter(
    database: &SecretString,
    origin: String,
    store: Arc<dyn store::Store>,
    queue: Arc<dyn Queue>,
    feed: Feed,
) -> anyhow::Result<export_worker::State> {
    let mut config = ledger::Config::new(database.clone(), origin);
    config.readers = u32::from(AT_ONCE) + 2;
    let ledger = Ledger::read_only(config)?;
    let connections = u32::from(AT_ONCE) + 2;
    let jobs = export::Jobs::open(database, export::jobs::Role::Work, connections)?;
    let settings = export_worker::Settings {
        at_once: AT_ONCE.into(),
        ..export_worker::Settings::default()
    };
    Ok(export_worker::State::new(
        ledger,
        jobs,
        store,
        Some(queue),
        feed,
        settings,
    ))
}
