//! The index in this process: tantivy, a directory for each tenant. No other process may use the
//! directory. Everything that blocks is done on threads for blocking work.

mod boot;
mod compile;
mod count;
mod directory;
mod files;
mod index;
mod merging;
mod page;
mod schema;
mod segments;
mod writers;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use query::Document;
use tantivy::TantivyError;
use tokio::sync::{OwnedMutexGuard, Semaphore};
use uuid::Uuid;

use self::directory::Root;
use self::index::Index;
use self::segments::Segments;
use self::writers::Writers;
use crate::{
    Ask, Busy, Error, Hit, MAX_HITS, MAX_TOP, Placement, Refused, Search, Stats, StatsAsk, Which,
};

/// A tenant, and the number of one of his indices.
type Key = (Uuid, u64);

/// Indices that are open for reading at once.
const MOST_OPEN: usize = 128;
const IDLE: Duration = Duration::from_mins(10);
const REST: Duration = Duration::from_secs(30);
/// Searches that work at once; more wait.
const AT_ONCE: usize = 16;

pub(crate) struct Embedded(Arc<Inner>);

struct Inner {
    root: Root,
    busy: Busy,
    open: Mutex<HashMap<Key, Open>>,
    writers: Arc<Writers>,
    searches: Arc<Semaphore>,
    /// Held while indices are made, switched or removed: by the work itself, which goes on when nobody
    /// waits for it any more.
    structure: Arc<tokio::sync::Mutex<()>>,
}

struct Open {
    index: Arc<Index>,
    used: Instant,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Embedded")
    }
}

impl Embedded {
    pub(crate) async fn open(path: PathBuf, busy: Busy) -> Result<Self, Error> {
        let root = blocking(move || Root::open(path).map_err(disk)).await?;
        let inner = Arc::new(Inner {
            root,
            busy,
            open: Mutex::default(),
            writers: Arc::default(),
            searches: Arc::new(Semaphore::new(AT_ONCE)),
            structure: Arc::default(),
        });
        tokio::spawn(rest(Arc::downgrade(&inner)));
        Ok(Self(inner))
    }

    /// On a thread that may block.
    async fn with<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let inner = Arc::clone(&self.0);
        blocking(move || work(&inner)).await
    }

    async fn search<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        // Never closed; kept also when nobody waits for the answer any more.
        let place = Arc::clone(&self.0.searches).acquire_owned().await;
        self.with(move |inner| {
            let _place = place;
            work(inner)
        })
        .await
    }

    async fn structure(&self) -> Result<OwnedMutexGuard<()>, Error> {
        let structure = Arc::clone(&self.0.structure).lock_owned().await;
        self.0.writers.check()?;
        Ok(structure)
    }

    /// Nobody writes to the tenant's indices while `work` goes on, and none of them is open after it.
    async fn alone<R: Send + 'static>(
        &self,
        tenant: Uuid,
        work: impl FnOnce(&Inner) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        // One at a time also so that two never wait for each other's turns.
        let structure = self.structure().await?;
        let numbers = self.with(move |inner| inner.numbers(tenant)).await?;
        let mut turns = Vec::new();
        for number in numbers {
            turns.push(self.0.writers.turn((tenant, number)).await?);
        }
        self.with(move |inner| {
            let _structure = structure;
            for turn in &mut turns {
                turn.close();
            }
            let done = work(inner);
            inner.opened().retain(|(of, _), _| *of != tenant);
            done
        })
        .await
    }
}

impl Inner {
    fn opened(&self) -> MutexGuard<'_, HashMap<Key, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self, tenant: Uuid, which: Which) -> Result<u64, Error> {
        let number = self.root.tenant(tenant).number(which).map_err(disk)?;
        number.ok_or(Error::Missing)
    }

    fn numbers(&self, tenant: Uuid) -> Result<Vec<u64>, Error> {
        let directory = self.root.tenant(tenant);
        let mut numbers = Vec::new();
        for which in [Which::Current, Which::Next] {
            numbers.extend(directory.number(which).map_err(disk)?);
        }
        Ok(numbers)
    }

    /// The index, opened unless it is.
    fn index(&self, tenant: Uuid, number: u64) -> Result<Arc<Index>, Error> {
        let key = (tenant, number);
        if let Some(open) = self.opened().get_mut(&key) {
            open.used = Instant::now();
            return Ok(Arc::clone(&open.index));
        }
        let path = self.root.tenant(tenant).path(number);
        if !path.is_dir() {
            return Err(Error::Missing);
        }
        // Two that open it at once make two readers, one of which is soon forgotten.
        let files = self.root.files(&path).map_err(failed)?;
        let index = Arc::new(Index::open(files)?);
        let mut opened = self.opened();
        if opened.len() >= MOST_OPEN {
            let oldest = opened.iter().min_by_key(|(_, open)| open.used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                opened.remove(&oldest);
            }
        }
        let open = opened.entry(key).or_insert_with(|| Open {
            index,
            used: Instant::now(),
        });
        Ok(Arc::clone(&open.index))
    }

    fn current(&self, tenant: Uuid) -> Result<Arc<Index>, Error> {
        self.index(tenant, self.number(tenant, Which::Current)?)
    }

    fn begin(&self, tenant: Uuid, which: Which) -> Result<(), Error> {
        let directory = self.root.tenant(tenant);
        let number = directory.fresh().map_err(disk)?;
        let files = self.root.files(&directory.path(number));
        Index::create(files.map_err(failed)?)?;
        directory.set(which, number).map_err(disk)?;
        directory.sweep().map_err(disk)
    }

    fn find(&self, tenant: Uuid, ask: &Ask<'_>) -> Result<Vec<Hit>, Error> {
        let index = self.current(tenant)?;
        let query = compile::compile(index.fields, ask.filter, ask.windows, ask.mask);
        let Some(query) = query.map_err(failed)? else {
            return Ok(Vec::new());
        };
        let searcher = index.searcher();
        let segments = Segments::new(&searcher, &*query, ask.filter, ask.windows);
        let limit = ask.limit.clamp(1, MAX_HITS);
        page::page(
            &segments.map_err(failed)?,
            ask.order,
            limit,
            ask.after.as_ref(),
        )
    }

    fn stats(&self, tenant: Uuid, ask: &StatsAsk<'_>) -> Result<Stats, Error> {
        let index = self.current(tenant)?;
        let bounds = (ask.filter.from(), ask.filter.to());
        let query = compile::compile(index.fields, ask.filter, ask.windows, ask.mask);
        let Some(query) = query.map_err(failed)? else {
            let edges = ask.histogram.as_ref().map(|h| h.between(bounds, None));
            let edges = edges.transpose()?.unwrap_or_default();
            return Ok(Stats::none(&edges));
        };
        let searcher = index.searcher();
        let segments = Segments::new(&searcher, &*query, ask.filter, ask.windows);
        let segments = segments.map_err(failed)?;
        let edges = count::edges(&segments, ask.histogram.as_ref(), bounds)?;
        count::count(&segments, ask.top.clamp(1, MAX_TOP), &edges)
    }
}

#[async_trait]
impl Search for Embedded {
    async fn create(&self, tenant: Uuid, _: Placement) -> Result<(), Error> {
        self.alone(tenant, move |inner| {
            match inner.number(tenant, Which::Current) {
                Err(Error::Missing) => inner.begin(tenant, Which::Current),
                other => other.map(drop),
            }
        })
        .await
    }

    async fn write(
        &self,
        tenant: Uuid,
        which: Which,
        documents: &[Document],
    ) -> Result<Vec<Refused>, Error> {
        let number = self.with(move |inner| inner.number(tenant, which)).await?;
        let mut turn = self.0.writers.turn((tenant, number)).await?;
        let documents = documents.to_vec();
        self.with(move |inner| {
            // It may have been switched or dropped while this call waited.
            if inner.number(tenant, which)? != number {
                return Err(Error::Unavailable(anyhow::anyhow!(
                    "the index was switched"
                )));
            }
            let index = inner.index(tenant, number)?;
            let mut writer = match turn.take() {
                Some(writer) => writer,
                None => index.writer(inner.busy.clone())?,
            };
            let refused = index.write(&mut writer, &documents)?;
            // Not after an error: what a failed commit left behind is dropped with its writer.
            turn.keep(writer);
            Ok(refused)
        })
        .await
    }

    async fn refresh(&self, tenant: Uuid) -> Result<(), Error> {
        // A write is found when it returns, unless the index was closed and opened meanwhile.
        self.with(move |inner| inner.current(tenant)?.refresh())
            .await
    }

    async fn find(&self, tenant: Uuid, ask: &Ask<'_>) -> Result<Vec<Hit>, Error> {
        let (filter, windows) = (ask.filter.clone(), ask.windows.to_vec());
        let (mask, order, limit, after) = (ask.mask, ask.order, ask.limit, ask.after.clone());
        self.search(move |inner| {
            let ask = Ask {
                filter: &filter,
                windows: &windows,
                mask,
                order,
                limit,
                after,
            };
            inner.find(tenant, &ask)
        })
        .await
    }

    async fn stats(&self, tenant: Uuid, ask: &StatsAsk<'_>) -> Result<Stats, Error> {
        let (filter, windows) = (ask.filter.clone(), ask.windows.to_vec());
        let (mask, top, histogram) = (ask.mask, ask.top, ask.histogram.clone());
        self.search(move |inner| {
            let ask = StatsAsk {
                filter: &filter,
                windows: &windows,
                mask,
                top,
                histogram,
            };
            inner.stats(tenant, &ask)
        })
        .await
    }

    async fn begin_rebuild(&self, tenant: Uuid, _: Placement) -> Result<(), Error> {
        let structure = self.structure().await?;
        let next = self.with(move |inner| match inner.number(tenant, Which::Next) {
            Err(Error::Missing) => Ok(None),
            other => other.map(Some),
        });
        // A next index that is left behind goes, so nobody may write to it; the current one stays.
        let turn = match next.await? {
            Some(number) => Some(self.0.writers.turn((tenant, number)).await?),
            None => None,
        };
        self.with(move |inner| {
            let _structure = structure;
            if let Some(mut turn) = turn {
                turn.close();
            }
            inner.begin(tenant, Which::Next)
        })
        .await
    }

    async fn finish_rebuild(&self, tenant: Uuid) -> Result<(), Error> {
        self.alone(tenant, move |inner| {
            match inner.number(tenant, Which::Next) {
                Err(Error::Missing) => return Ok(()),
                other => other?,
            };
            let directory = inner.root.tenant(tenant);
            directory.switch().map_err(disk)?;
            // Searches that began before hold their files open.
            directory.sweep().map_err(disk)
        })
        .await
    }

    async fn drop_tenant(&self, tenant: Uuid) -> Result<(), Error> {
        self.alone(tenant, move |inner| {
            inner.root.tenant(tenant).remove().map_err(disk)
        })
        .await
    }

    async fn ready(&self) -> Result<(), Error> {
        self.with(|inner| inner.root.check().map_err(disk)).await
    }

    async fn close(&self) -> Result<(), Error> {
        let structure = Arc::clone(&self.0.structure).lock_owned().await;
        self.0.writers.end().await;
        self.with(move |inner| {
            let flushed = inner.root.flush().map_err(disk);
            drop(structure);
            flushed
        })
        .await
    }
}

/// Closes what nobody uses, as long as the index is there.
async fn rest(inner: Weak<Inner>) {
    let mut ticks = tokio::time::interval(REST);
    loop {
        ticks.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        inner.writers.rest();
        inner.opened().retain(|_, open| open.used.elapsed() < IDLE);
    }
}

async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(stopped) => Err(Error::Failed(stopped.into())),
    }
}

fn disk(error: std::io::Error) -> Error {
    Error::Unavailable(error.into())
}

fn failed(error: TantivyError) -> Error {
    match error {
        TantivyError::IoError(_)
        | TantivyError::OpenReadError(_)
        | TantivyError::OpenWriteError(_)
        | TantivyError::LockFailure(..)
        | TantivyError::ErrorInThread(_) => Error::Unavailable(error.into()),
        TantivyError::DataCorruption(_)
        | TantivyError::IncompatibleIndex(_)
        | TantivyError::SchemaError(_) => Error::Outdated(error.into()),
        other => Error::Failed(other.into()),
    }
}
