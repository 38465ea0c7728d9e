//! An index between a worker and the real one that can be away, refuse documents, and count.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use query::Document;
use search::{Ask, Error, Hit, Placement, Rebuild, Refused, Search, Stats, StatsAsk, Which};
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

#[derive(Debug)]
pub(crate) struct Faults {
    inner: Arc<dyn Search>,
    away: AtomicBool,
    /// Rebuilds begin and never go on.
    stalled: AtomicBool,
    /// Writes never end once so many documents are written.
    stalled_after: AtomicUsize,
    /// Tenants whose documents are refused as a whole.
    failing: Mutex<HashSet<Uuid>>,
    /// Calls that fill a next index or switch to it and are let through.
    steps: Semaphore,
    /// Somebody waits for one.
    stopped: Notify,
    refused: Mutex<HashSet<u64>>,
    /// Whoever makes an index and is told so.
    makers: Semaphore,
    /// One is made, and its maker waits to be told.
    made: Notify,
    /// Where indices were asked for, one after the other.
    placed: Mutex<Vec<(Uuid, Placement)>>,
    /// Documents that the index acknowledged.
    pub(crate) written: AtomicUsize,
    pub(crate) refreshed: AtomicUsize,
    /// Calls that failed because the index was away.
    failed: AtomicUsize,
    failure: Notify,
}

impl Faults {
    pub(crate) fn before(inner: &Arc<dyn Search>) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            away: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            stalled_after: AtomicUsize::new(usize::MAX),
            failing: Mutex::default(),
            steps: Semaphore::new(Semaphore::MAX_PERMITS),
            stopped: Notify::new(),
            refused: Mutex::default(),
            makers: Semaphore::new(Semaphore::MAX_PERMITS),
            made: Notify::new(),
            placed: Mutex::default(),
            written: AtomicUsize::new(0),
            refreshed: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            failure: Notify::new(),
        })
    }

    pub(crate) fn be_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    pub(crate) fn stall_rebuilds(&self) {
        self.stalled.store(true, Ordering::SeqCst);
    }

    pub(crate) fn stall_writes_after(&self, documents: usize) {
        self.stalled_after.store(documents, Ordering::SeqCst);
    }

    /// As a cluster that takes no index more.
    pub(crate) fn fail_for(&self, tenant: Uuid) {
        self.failing.lock().unwrap().insert(tenant);
    }

    /// Rebuilds stop after so many writes; the switch counts as one.
    pub(crate) fn stop_rebuilds_after(&self, steps: usize) {
        self.steps.forget_permits(Semaphore::MAX_PERMITS - steps);
    }

    pub(crate) async fn until_stopped(&self) {
        self.stopped.notified().await;
    }

    pub(crate) fn let_rebuilds_go_on(&self) {
        self.steps.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    async fn step(&self) {
        if let Ok(step) = self.steps.try_acquire() {
            return step.forget();
        }
        self.stopped.notify_one();
        self.steps.acquire().await.unwrap().forget();
    }

    pub(crate) fn refuse(&self, seqs: impl IntoIterator<Item = u64>) {
        self.refused.lock().unwrap().extend(seqs);
    }

    /// Nobody hears that the index is made that he asked for.
    pub(crate) fn stop_makers(&self) {
        self.makers.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) async fn until_made(&self) {
        self.made.notified().await;
    }

    pub(crate) fn let_makers_go_on(&self) {
        self.makers.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Where the indices of a tenant were asked for.
    pub(crate) fn placed(&self, tenant: Uuid) -> Vec<Placement> {
        let placed = self.placed.lock().unwrap();
        let placed = placed.iter().filter(|(of, _)| *of == tenant);
        placed.map(|(_, placement)| *placement).collect()
    }

    fn place(&self, tenant: Uuid, placement: Placement) {
        self.placed.lock().unwrap().push((tenant, placement));
    }

    /// Until so many calls have failed.
    pub(crate) async fn until_failed(&self, calls: usize) {
        while self.failed.load(Ordering::SeqCst) < calls {
            self.failure.notified().await;
        }
    }

    fn call(&self) -> Result<(), Error> {
        if !self.away.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.failed.fetch_add(1, Ordering::SeqCst);
        self.failure.notify_one();
        let away = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        Err(Error::Unavailable(away.into()))
    }
}

#[async_trait]
impl Search for Faults {
    async fn create(&self, tenant: Uuid, placement: Placement) -> Result<(), Error> {
        self.call()?;
        self.place(tenant, placement);
        self.inner.create(tenant, placement).await?;
        self.made.notify_one();
        self.makers.acquire().await.unwrap().forget();
        Ok(())
    }

    async fn write(
        &self,
        tenant: Uuid,
        which: Which,
        documents: &[Document],
    ) -> Result<Vec<Refused>, Error> {
        self.call()?;
        if let Which::Next(_) = which {
            self.step().await;
        }
        if self.written.load(Ordering::SeqCst) >= self.stalled_after.load(Ordering::SeqCst) {
            self.stopped.notify_one();
            return std::future::pending().await;
        }
        if self.failing.lock().unwrap().contains(&tenant) {
            let full = std::io::Error::from(std::io::ErrorKind::QuotaExceeded);
            return Err(Error::Failed(full.into()));
        }
        let refused = self.refused.lock().unwrap().clone();
        let (refused, taken): (Vec<_>, Vec<_>) = documents
            .iter()
            .cloned()
            .partition(|document| refused.contains(&document.seq));
        let mut answer = self.inner.write(tenant, which, &taken).await?;
        self.written.fetch_add(taken.len(), Ordering::SeqCst);
        answer.extend(refused.into_iter().map(|document| Refused {
            partition: document.partition,
            generation: document.generation,
            seq: document.seq,
            reason: "it does not please".to_owned(),
        }));
        Ok(answer)
    }

    async fn refresh(&self, tenant: Uuid) -> Result<(), Error> {
        self.call()?;
        self.refreshed.fetch_add(1, Ordering::SeqCst);
        self.inner.refresh(tenant).await
    }

    async fn find(&self, tenant: Uuid, ask: &Ask<'_>) -> Result<Vec<Hit>, Error> {
        self.call()?;
        self.inner.find(tenant, ask).await
    }

    async fn stats(&self, tenant: Uuid, ask: &StatsAsk<'_>) -> Result<Stats, Error> {
        self.call()?;
        self.inner.stats(tenant, ask).await
    }

    async fn begin_rebuild(&self, tenant: Uuid, placement: Placement) -> Result<Rebuild, Error> {
        self.call()?;
        if self.stalled.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        self.place(tenant, placement);
        self.inner.begin_rebuild(tenant, placement).await
    }

    async fn finish_rebuild(&self, tenant: Uuid, rebuild: Rebuild) -> Result<(), Error> {
        self.call()?;
        self.step().await;
        self.inner.finish_rebuild(tenant, rebuild).await
    }

    async fn drop_tenant(&self, tenant: Uuid) -> Result<(), Error> {
        self.call()?;
        self.inner.drop_tenant(tenant).await
    }

    fn form(&self) -> u32 {
        self.inner.form()
    }

    async fn ready(&self) -> Result<(), Error> {
        self.call()?;
        self.inner.ready().await
    }
}
