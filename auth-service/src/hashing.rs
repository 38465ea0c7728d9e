//! Password hashing: argon2id, off the async threads, few at a time, behind a short queue.
//! Never tells by its cost whether an account exists: without a hash to compare with, a dummy is hashed. Never lets one account or one
//! network have the queue to itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use service::ApiError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{self, Result};
use crate::secret::random;

/// Iterations; with 19 MiB the OWASP minimum.
const PASSES: u32 = 2;

/// Hashes that one account may have in hand, running and waiting.
const ACCOUNT_SHARE: usize = 4;
/// The same for one network, where many people may sit.
const NETWORK_SHARE: usize = 16;

/// For whom a hash is computed: an account and a network, each under a name that says nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Payer {
    pub(crate) account: Option<Vec<u8>>,
    pub(crate) network: Option<Vec<u8>>,
}

/// Hashes and verifies passwords. Clones share threads, queue and count.
#[derive(Clone)]
pub(crate) struct Hasher(Arc<Inner>);

struct Inner {
    argon2: Argon2<'static>,
    /// The semaphore, not the blocking pool, bounds the work: hashing is processor and memory, and the pool has hundreds of threads.
    threads: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
    /// Hashes in hand by account and by network; what is not there has none.
    shares: Mutex<HashMap<Vec<u8>, usize>>,
    dummy: String,
    hashed: AtomicU64,
}

impl Hasher {
    pub(crate) fn new(memory_kib: u32, threads: usize, queue: usize) -> anyhow::Result<Hasher> {
        let params = Params::new(memory_kib, PASSES, 1, None)
            .map_err(|error| anyhow::anyhow!("password hashing: {error}"))?;
        let dummy = of_nobody(&params)
            .map_err(|error| anyhow::anyhow!("password hashing: {error}"))?
            .to_string();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Ok(Hasher(Arc::new(Inner {
            argon2,
            threads: Arc::new(Semaphore::new(threads.max(1))),
            waiting: AtomicUsize::new(0),
            queue,
            shares: Mutex::default(),
            dummy,
            hashed: AtomicU64::new(0),
        })))
    }

    /// The PHC string of a password. 429 when the payer has too many in hand, 503 when all together have.
    pub(crate) async fn hash(&self, payer: &Payer, password: String) -> Result<String> {
        self.off_thread(payer, move |inner| compute(&inner.argon2, &password))
            .await
    }

    /// Whether the password is the one behind `hash`. Without a hash the answer is no, after the same work.
    pub(crate) async fn verify(
        &self,
        payer: &Payer,
        password: String,
        hash: Option<String>,
    ) -> Result<bool> {
        self.off_thread(payer, move |inner| {
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
        payer: &Payer,
        work: impl FnOnce(&Inner) -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T> {
        let shares = self.take_shares(payer)?;
        let permit = self.enter().await?;
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            // Permit and shares go with the work: a client that gives up does not make room for another hash beside this one.
            let _held = (shares, permit);
            inner.hashed.fetch_add(1, Ordering::Relaxed);
            metrics::counter!("auth_passwords_hashed_total").increment(1);
            work(&inner)
        })
        .await
        .context("password hashing stopped")??;
        Ok(done)
    }

    fn take_shares(&self, payer: &Payer) -> Result<[Option<Share>; 2]> {
        let take = |key: &Option<Vec<u8>>, most| {
            let share = key.as_ref().map(|key| Share::take(&self.0, key, most));
            share.map(|share| share.ok_or_else(too_many)).transpose()
        };
        let account = take(&payer.account, ACCOUNT_SHARE)?;
        Ok([account, take(&payer.network, NETWORK_SHARE)?])
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

/// One hash in hand of an account or a network, given back when dropped.
struct Share {
    inner: Arc<Inner>,
    key: Vec<u8>,
}

impl Share {
    fn take(inner: &Arc<Inner>, key: &[u8], most: usize) -> Option<Share> {
        let mut shares = inner.shares();
        let held = shares.get(key).copied().unwrap_or(0);
        if held >= most {
            return None;
        }
        shares.insert(key.to_owned(), held + 1);
        Some(Share {
            inner: Arc::clone(inner),
            key: key.to_owned(),
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Entry::Occupied(mut held) = self.inner.shares().entry(std::mem::take(&mut self.key))
        {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

impl Inner {
    fn shares(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, usize>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_many() -> ApiError {
    metrics::counter!("auth_passwords_refused_total").increment(1);
    ApiError::TooMany {
        retry_after: Duration::from_secs(1),
    }
}

fn compute(argon2: &Argon2<'_>, password: &str) -> anyhow::Result<String> {
    argon2
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| anyhow::anyhow!("cannot hash a password: {error}"))
}

/// What no password is known to give, and takes as long to compare with as any hash. Drawn, not computed: that would take
/// the memory of a hash with every start.
fn of_nobody(params: &Params) -> argon2::password_hash::Result<PasswordHash> {
    Ok(PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params)?,
        salt: Some(Salt::new(&random::<16>())?),
        hash: Some(Output::new(&random::<{ Params::DEFAULT_OUTPUT_LEN }>())?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_and_never_the_dummy() {
        let hasher = Hasher::new(64, 1, 4).unwrap();
        let nobody = Payer::default();
        let hash = hasher.hash(&nobody, "correct horse".to_owned());
        let hash = hash.await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=2,p=1$"));
        let verify = |password: &str, hash: Option<&String>| {
            hasher.verify(&nobody, password.to_owned(), hash.cloned())
        };
        assert!(verify("correct horse", Some(&hash)).await.unwrap());
        assert!(!verify("wrong horse", Some(&hash)).await.unwrap());
        assert!(!verify("correct horse", None).await.unwrap());
        assert_eq!(hasher.hashed(), 4);
        // Alike in everything but what is drawn.
        let alike = |hash: &str| {
            let fields = hash.split('$').enumerate();
            let fields = fields.map(|(nth, field)| match nth {
                4.. => field.len().to_string(),
                _ => field.to_owned(),
            });
            fields.collect::<Vec<_>>()
        };
        assert_eq!(alike(&hasher.0.dummy), alike(&hash));
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

    #[tokio::test]
    async fn one_account_and_one_network_leave_room_for_others() {
        let hasher = Hasher::new(64, 1, 64).unwrap();
        let payer = |account: &str, network: &str| Payer {
            account: Some(account.into()),
            network: Some(network.into()),
        };
        let take = |account: &str, network: &str| hasher.take_shares(&payer(account, network));
        let mut held: Vec<_> = (0..ACCOUNT_SHARE)
            .map(|n| take("ann", &format!("{n}")).unwrap())
            .collect();
        // Wherever it comes from; and what is refused holds nothing.
        assert!(take("ann", "elsewhere").is_err());
        assert!(!hasher.0.shares().contains_key(b"elsewhere".as_slice()));
        for n in 0..NETWORK_SHARE {
            held.push(take(&format!("bob {n}"), "office").unwrap());
        }
        assert!(take("bob", "office").is_err());
        assert!(!hasher.0.shares().contains_key(b"bob".as_slice()));
        let (ann, eve) = (payer("ann", "elsewhere"), payer("eve", "elsewhere"));
        assert!(hasher.hash(&ann, "correct horse".to_owned()).await.is_err());
        assert_eq!(hasher.hashed(), 0);
        assert!(hasher.hash(&eve, "correct horse".to_owned()).await.is_ok());
        drop(held);
        assert!(hasher.0.shares().is_empty());
    }

    #[tokio::test]
    async fn a_client_that_gives_up_keeps_its_share_while_the_hash_runs() {
        let hasher = Hasher::new(64, 1, 64).unwrap();
        let payer = Payer {
            account: Some(b"ann".to_vec()),
            network: None,
        };
        let (started, (run, wait)) = (Arc::new(Semaphore::new(0)), std::sync::mpsc::channel());
        let given_up = tokio::spawn({
            let (hasher, payer, started) = (hasher.clone(), payer.clone(), Arc::clone(&started));
            async move {
                let work = move |_: &Inner| {
                    started.add_permits(1);
                    wait.recv().map_err(anyhow::Error::from)
                };
                hasher.off_thread(&payer, work).await
            }
        });
        started.acquire().await.unwrap().forget();
        given_up.abort();
        assert!(given_up.await.is_err());
        assert_eq!(hasher.0.shares().len(), 1);
        run.send(()).unwrap();
        drop(hasher.enter().await.unwrap());
        assert!(hasher.0.shares().is_empty());
    }
}
