//! The key set in use: kept when auth-service is down, fetched again when a token names an unknown key.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::Instant;

use super::remote::Remote;
use crate::keys::{Jwks, KeySet};

/// Where key sets come from.
enum Origin {
    Remote(Remote),
    Local(Mutex<watch::Receiver<Jwks>>),
}

pub(super) struct Ring {
    origin: Origin,
    current: watch::Sender<Arc<KeySet>>,
    /// Goes up when a key disappears, which voids everything verified before.
    epoch: AtomicU64,
    /// Shortest time between two fetches for unknown keys: made-up kids must not become a flood.
    pause: Duration,
    last: AsyncMutex<Option<Attempt>>,
}

#[derive(Clone, Copy)]
struct Attempt {
    at: Instant,
    worked: bool,
}

/// The key set could not be fetched, so nothing can be said about a key that is not in it.
#[derive(Debug, thiserror::Error)]
#[error("key set not available")]
pub(super) struct Unavailable(#[source] pub(super) Option<anyhow::Error>);

impl Ring {
    pub(super) fn remote(remote: Remote, pause: Duration) -> Self {
        Self::new(Origin::Remote(remote), KeySet::default(), pause)
    }

    pub(super) fn local(mut keys: watch::Receiver<Jwks>) -> Self {
        let set = KeySet::new(keys.borrow_and_update().clone());
        Self::new(Origin::Local(Mutex::new(keys)), set, Duration::ZERO)
    }

    fn new(origin: Origin, set: KeySet, pause: Duration) -> Self {
        Self {
            origin,
            current: watch::Sender::new(Arc::new(set)),
            epoch: AtomicU64::new(0),
            pause,
            last: AsyncMutex::new(None),
        }
    }

    /// The epoch first, then the set: a set that is newer than its epoch only costs a second
    /// verification, never a stale one.
    pub(super) fn current(&self) -> (u64, Arc<KeySet>) {
        let epoch = self.epoch();
        (epoch, Arc::clone(&self.current.borrow()))
    }

    pub(super) fn epoch(&self) -> u64 {
        self.take_local();
        self.epoch.load(Ordering::Acquire)
    }

    /// A set newer than `seen`, for a key that `seen` lacks. Concurrent callers share one fetch.
    pub(super) async fn renew(&self, seen: &Arc<KeySet>) -> Result<(), Unavailable> {
        let Origin::Remote(remote) = &self.origin else {
            return Ok(());
        };
        let mut last = self.last.lock().await;
        if !Arc::ptr_eq(&self.current().1, seen) {
            return Ok(());
        }
        match *last {
            Some(attempt) if attempt.at.elapsed() < self.pause => {
                return attempt.worked.then_some(()).ok_or(Unavailable(None));
            }
            _ => {}
        }
        // Dropped in here (the client gave up), the next caller fetches.
        let fetched = remote.jwks().await;
        *last = Some(Attempt {
            at: Instant::now(),
            worked: fetched.is_ok(),
        });
        match fetched {
            Ok(keys) => self.install(keys),
            Err(error) => return Err(Unavailable(Some(error))),
        }
        Ok(())
    }

    /// Fetches at start and every so often, so that a key withdrawn elsewhere ends here too.
    pub(super) async fn poll(&self) -> anyhow::Result<()> {
        if let Origin::Remote(remote) = &self.origin {
            let keys = remote.jwks().await?;
            self.install(keys);
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.current().1.is_empty()
    }

    fn take_local(&self) {
        let Origin::Local(keys) = &self.origin else {
            return;
        };
        let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.has_changed().unwrap_or(false) {
            let new = keys.borrow_and_update().clone();
            self.install(new);
        }
    }

    fn install(&self, keys: Jwks) {
        self.current.send_if_modified(|current| {
            if *current.source() == keys {
                return false;
            }
            let set = KeySet::new(keys);
            let extends = set.extends(current);
            *current = Arc::new(set);
            if !extends {
                self.epoch.fetch_add(1, Ordering::Release);
            }
            true
        });
    }

    /// Returns once there is a key. Cancel-safe.
    pub(super) async fn filled(&self) {
        let mut keys = self.current.subscribe();
        // The sender lives in `self`, so this cannot fail.
        let _ = keys.wait_for(|keys| !keys.is_empty()).await;
    }
}
