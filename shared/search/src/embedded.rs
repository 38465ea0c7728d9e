//! The index in this process: tantivy, a directory for each tenant. No other process may use the
//! directory. Everything that blocks is done on threads for blocking work.

mod boot;
mod compile;
mod count;
mod directory;
mod files;
mod index;
mod indices;
mod merging;
mod page;
mod schema;
mod segments;
mod writers;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use query::Document;
use tantivy::TantivyError;
use tokio::sync::{OwnedMutexGuard, Semaphore};
use uuid::Uuid;

use self::directory::{Name, Root};
use self::indices::Indices;
use self::writers::Writers;
use crate::{Ask, Busy, Error, Hit, Placement, Rebuild, Refused, Search, Stats, StatsAsk, Which};

/// A tenant, and the number of one of his indices.
type Key = (Uuid, u64);

/// Between two looks at what nobody uses.
const REST: Duration = Duration::from_secs(30);
/// Searches that work at once; more wait.
const AT_ONCE: usize = 16;

pub(crate) struct Embedded {
    indices: Arc<Indices>,
    writers: Arc<Writers>,
    searches: Arc<Semaphore>,
    /// Held while indices are made, switched or removed: by the work itself, which goes on when nobody
    /// waits for it any more.
    structure: Arc<tokio::sync::Mutex<()>>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Embedded")
    }
}

impl Embedded {
    pub(crate) async fn open(path: PathBuf, busy: Busy, form: u32) -> Result<Self, Error> {
        let root = blocking(move || Root::open(path).map_err(disk)).await?;
        let embedded = Self {
            indices: Arc::new(Indices::new(root, busy, form)),
            writers: Arc::default(),
            searches: Arc::new(Semaphore::new(AT_ONCE)),
            structure: Arc::default(),
        };
        let indices = Arc::downgrade(&embedded.indices);
        tokio::spawn(rest(indices, Arc::downgrade(&embedded.writers)));
        Ok(embedded)
    }

    /// On a thread that may block.
    async fn with<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Indices) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let indices = Arc::clone(&self.indices);
        blocking(move || work(&indices)).await
    }

    async fn search<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Indices) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        // Never closed; kept also when nobody waits for the answer any more.
        let place = Arc::clone(&self.searches).acquire_owned().await;
        self.with(move |indices| {
            let _place = place;
            work(indices)
        })
        .await
    }

    async fn structure(&self) -> Result<OwnedMutexGuard<()>, Error> {
        let structure = Arc::clone(&self.structure).lock_owned().await;
        self.writers.check()?;
        Ok(structure)
    }

    /// Nobody writes to the tenant's indices while `work` goes on, and none of them is open after it.
    async fn alone<R: Send + 'static>(
        &self,
        tenant: Uuid,
        work: impl FnOnce(&Indices) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        // One at a time also so that two never wait for each other's turns.
        let structure = self.structure().await?;
        let numbers = self.with(move |indices| indices.numbers(tenant)).await?;
        let mut turns = Vec::new();
        for number in numbers {
            turns.push(self.writers.turn((tenant, number)).await?);
        }
        self.with(move |indices| {
            let _structure = structure;
            for turn in &mut turns {
                turn.close();
            }
            let done = work(indices);
            indices.close(tenant);
            done
        })
        .await
    }
}

#[async_trait]
impl Search for Embedded {
    async fn create(&self, tenant: Uuid, _: Placement) -> Result<(), Error> {
        self.alone(tenant, move |indices| {
            if indices.named(tenant, Name::Current)?.is_none() {
                indices.begin(tenant, Name::Current)?;
            }
            Ok(())
        })
        .await
    }

    async fn write(
        &self,
        tenant: Uuid,
        which: Which,
        documents: &[Document],
    ) -> Result<Vec<Refused>, Error> {
        let number = self
            .with(move |indices| indices.number(tenant, which))
            .await?;
        let mut turn = self.writers.turn((tenant, number)).await?;
        let documents = documents.to_vec();
        self.with(move |indices| {
            // It may have been switched or dropped while this call waited.
            if indices.number(tenant, which)? != number {
                return Err(Error::Unavailable(anyhow::anyhow!(
                    "the index was switched"
                )));
            }
            let index = indices.index(tenant, number)?;
            let mut writer = match turn.take() {
                Some(writer) => writer,
                None => index.writer(indices.busy.clone())?,
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
        self.with(move |indices| indices.current(tenant)?.refresh())
            .await
    }

    async fn find(&self, tenant: Uuid, ask: &Ask<'_>) -> Result<Vec<Hit>, Error> {
        let (filter, windows) = (ask.filter.clone(), ask.windows.to_vec());
        let (mask, order, limit, after) = (ask.mask, ask.order, ask.limit, ask.after.clone());
        self.search(move |indices| {
            let ask = Ask {
                filter: &filter,
                windows: &windows,
                mask,
                order,
                limit,
                after,
            };
            indices.find(tenant, &ask)
        })
        .await
    }

    async fn stats(&self, tenant: Uuid, ask: &StatsAsk<'_>) -> Result<Stats, Error> {
        let (filter, windows) = (ask.filter.clone(), ask.windows.to_vec());
        let (mask, top, histogram) = (ask.mask, ask.top, ask.histogram.clone());
        self.search(move |indices| {
            let ask = StatsAsk {
                filter: &filter,
                windows: &windows,
                mask,
                top,
                histogram,
            };
            indices.stats(tenant, &ask)
        })
        .await
    }

    async fn begin_rebuild(&self, tenant: Uuid, _: Placement) -> Result<Rebuild, Error> {
        let structure = self.structure().await?;
        let next = self.with(move |indices| indices.named(tenant, Name::Next));
        // A next index that is left behind goes, so nobody may write to it; the current one stays.
        let turn = match next.await? {
            Some(number) => Some(self.writers.turn((tenant, number)).await?),
            None => None,
        };
        self.with(move |indices| {
            let _structure = structure;
            if let Some(mut turn) = turn {
                turn.close();
            }
            indices.begin(tenant, Name::Next).map(Rebuild::of)
        })
        .await
    }

    async fn finish_rebuild(&self, tenant: Uuid, rebuild: Rebuild) -> Result<(), Error> {
        self.alone(tenant, move |indices| indices.switch(tenant, rebuild))
            .await
    }

    async fn drop_tenant(&self, tenant: Uuid) -> Result<(), Error> {
        self.alone(tenant, move |indices| {
            indices.root.tenant(tenant).remove().map_err(disk)
        })
        .await
    }

    fn form(&self) -> u32 {
        self.indices.form
    }

    async fn ready(&self) -> Result<(), Error> {
        self.with(|indices| indices.root.check().map_err(disk))
            .await
    }

    async fn close(&self) -> Result<(), Error> {
        let structure = Arc::clone(&self.structure).lock_owned().await;
        self.writers.end().await;
        self.with(move |indices| {
            let flushed = indices.root.flush().map_err(disk);
            drop(structure);
            flushed
        })
        .await
    }
}

/// Closes what nobody uses, as long as the index is there.
async fn rest(indices: Weak<Indices>, writers: Weak<Writers>) {
    let mut ticks = tokio::time::interval(REST);
    loop {
        ticks.tick().await;
        let (Some(indices), Some(writers)) = (indices.upgrade(), writers.upgrade()) else {
            return;
        };
        writers.rest();
        indices.rest();
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
