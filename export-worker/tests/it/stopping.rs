//! A store that stops its caller for ever at one of its steps, before or after it was done: what a
//! kill at that moment looks like.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use store::{Error, Listed, Object, Store, Upload};
use tokio::sync::Notify;
use url::Url;

pub(crate) struct Stopping {
    inner: Arc<dyn Store>,
    steps: Arc<Steps>,
}

pub(crate) struct Steps {
    taken: AtomicUsize,
    /// The step that is not gone beyond.
    stop_at: usize,
    after: bool,
    pub(crate) reached: Notify,
    pub(crate) largest: AtomicUsize,
    pub(crate) written: AtomicUsize,
}

impl Steps {
    /// Whether this step is the last one.
    fn is_last(&self) -> bool {
        self.taken.fetch_add(1, Ordering::SeqCst) == self.stop_at
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    async fn run<T>(&self, step: impl Future<Output = T>) -> T {
        if !self.is_last() {
            return step.await;
        }
        if self.after {
            step.await;
        }
        self.reached.notify_one();
        std::future::pending().await
    }
}

impl Stopping {
    pub(crate) fn new(inner: Arc<dyn Store>, stop_at: usize, after: bool) -> (Self, Arc<Steps>) {
        let steps = Arc::new(Steps {
            taken: AtomicUsize::new(0),
            stop_at,
            after,
            reached: Notify::new(),
            largest: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
        });
        let own = Arc::clone(&steps);
        (Self { inner, steps: own }, steps)
    }
}

#[async_trait]
impl Store for Stopping {
    async fn create(&self, key: &str, body: Bytes) -> Result<bool, Error> {
        self.inner.create(key, body).await
    }

    async fn write(&self, key: &str) -> Result<Box<dyn Upload>, Error> {
        let inner = self.steps.run(self.inner.write(key)).await?;
        let steps = Arc::clone(&self.steps);
        Ok(Box::new(Slow { inner, steps }))
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<Object, Error> {
        self.inner.read(key, range).await
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, Error> {
        self.inner.size(key).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.steps.run(self.inner.delete(key)).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, Error> {
        // Cleaning does this at times of its own.
        self.inner.list(prefix, after, limit).await
    }

    async fn link(
        &self,
        key: &str,
        file_name: &str,
        content_type: &str,
        lifetime: Duration,
    ) -> Result<Option<Url>, Error> {
        self.inner
            .link(key, file_name, content_type, lifetime)
            .await
    }

    async fn sweep_uploads(&self, older_than: Duration) -> Result<u64, Error> {
        self.inner.sweep_uploads(older_than).await
    }

    async fn ready(&self) -> Result<(), Error> {
        self.inner.ready().await
    }
}

struct Slow {
    inner: Box<dyn Upload>,
    steps: Arc<Steps>,
}

#[async_trait]
impl Upload for Slow {
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.steps.largest.fetch_max(bytes.len(), Ordering::SeqCst);
        self.steps.written.fetch_add(bytes.len(), Ordering::SeqCst);
        self.steps.run(self.inner.write(bytes)).await
    }

    async fn finish(self: Box<Self>) -> Result<(), Error> {
        self.steps.run(self.inner.finish()).await
    }

    async fn abort(self: Box<Self>) {
        self.inner.abort().await;
    }
}
