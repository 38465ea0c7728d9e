//! Password hashing: argon2id, off the async threads, few at a time, behind a short queue.
//! Never tells by its cost whether an account exists: without a hash to compare with, a dummy is hashed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use anyhow::Context;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{self, Result};
use crate::secret::{hex, random};

/// Iterations; with 19 MiB the OWASP minimum.
const PASSES: u32 = 2;

/// Hashes and verifies passwords. Clones share threads, queue and count.
#[derive(Clone)]
pub(crate) struct Hasher(Arc<Inner>);

struct Inner {
    argon2: Argon2<'static>,
    /// The semaphore, not the blocking pool, bounds the work: hashing is processor and memory, and the pool has hundreds of threads.
    threads: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
    dummy: String,
    hashed: AtomicU64,
}

impl Hasher {
    pub(crate) fn new(memory_kib: u32, threads: usize, queue: usize) -> anyhow::Result<Hasher> {
        let params = Params::new(memory_kib, PASSES, 1, None)
            .map_err(|error| anyhow::anyhow!("password hashing: {error}"))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let dummy = compute(&argon2, &hex(&random::<16>()))?;
        Ok(Hasher(Arc::new(Inner {
            argon2,
            threads: Arc::new(Semaphore::new(threads.max(1))),
            waiting: AtomicUsize::new(0),
            queue,
            dummy,
            hashed: AtomicU64::new(0),
        })))
    }

    /// The PHC string of a password.
    pub(crate) async fn hash(&self, password: String) -> Result<String> {
        self.off_thread(move |inner| compute(&inner.argon2, &password))
            .await
    }

    /// Whether the password is the one behind `hash`. Without a hash the answer is no, after the same work.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        self.off_thread(move |inner| {
            let known = hash.is_some();
            let hash = hash.as_ref().unwrap_or(&inner.dummy);
            let matches = inner
                .argon2
                .verify_password(password.as_bytes(), hash.as_str())
                .is_ok();
            Ok(known && matches)
        })
        .await
    }

    /// Hashes computed since the start.
    pub(crate) fn hashed(&self) -> u64 {
        self.0.hashed.load(Ordering::Relaxed)
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.enter().await?;
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            // The permit goes with the work: a client that gives up does not make room for another hash beside this one.
            let _permit = permit;
            inner.hashed.fetch_add(1, Ordering::Relaxed);
            metrics::counter!("auth_passwords_hashed_total").increment(1);
            work(&inner)
        })
        .await
        .context("password hashing stopped")??;
        Ok(done)
    }

    async fn enter(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.0.threads).try_acquire_owned() {
            return Ok(permit);
        }
        let _place = Place::take(&self.0).ok_or_else(error::busy)?;
        let permit = Arc::clone(&self.0.threads)
            .acquire_owned()
            .await
            .context("the semaphore is never closed")?;
        Ok(permit)
    }
}

/// A place in the queue, given back when dropped, also by a client that gave up.
struct Place<'a>(&'a AtomicUsize);

impl Place<'_> {
    fn take(inner: &Inner) -> Option<Place<'_>> {
        let taken = inner.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place(&inner.waiting);
        (taken < inner.queue).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn compute(argon2: &Argon2<'_>, password: &str) -> anyhow::Result<String> {
    argon2
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| anyhow::anyhow!("cannot hash a password: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_and_never_the_dummy() {
        let hasher = Hasher::new(64, 1, 4).unwrap();
        let hash = hasher.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=2,p=1$"));
        let verify = |password: &str, hash: Option<&String>| {
            hasher.verify(password.to_owned(), hash.cloned())
        };
        assert!(verify("correct horse", Some(&hash)).await.unwrap());
        assert!(!verify("wrong horse", Some(&hash)).await.unwrap());
        assert!(!verify("correct horse", None).await.unwrap());
        assert_eq!(hasher.hashed(), 4);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_gives_its_places_back() {
        let hasher = Hasher::new(64, 1, 1).unwrap();
        let held = hasher.enter().await.unwrap();
        let waiting = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.enter().await.is_ok() }
        });
        while hasher.0.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(hasher.enter().await.is_err());
        drop(held);
        assert!(waiting.await.unwrap());
        assert!(hasher.enter().await.is_ok());
    }
}
