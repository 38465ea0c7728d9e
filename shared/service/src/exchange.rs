//! API keys: exchanged for a token once, the token kept until shortly before it expires.
//!
//! Never keeps a key: what is remembered is its SHA-256.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::{Instant, timeout};

use crate::access::cache::Digest;

/// First characters of every API key.
pub const KEY_PREFIX: &str = "vtk_";

/// How long a refusal is remembered.
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// How long it is remembered that auth-service did not answer.
const UNAVAILABLE_FOR: Duration = Duration::from_secs(1);
/// Most keys whose last exchange is remembered; made-up ones must not fill the memory.
const MAX_KEYS: usize = 10_000;
/// Exchanges at once; more wait, for so long.
const AT_ONCE: usize = 32;
const QUEUE_FOR: Duration = Duration::from_secs(2);

/// Why a key could not be exchanged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// auth-service says that this is no key of ours, or no longer.
    #[error("key refused")]
    Refused,
    #[error("auth-service did not answer")]
    Unavailable(#[source] anyhow::Error),
}

type Exchange = dyn Fn(SecretString) -> BoxFuture<'static, Result<String, Error>> + Send + Sync;

/// Where keys are exchanged: over HTTP, or by auth-service in its own process.
#[derive(Clone)]
pub struct Source(Arc<Exchange>);

impl Source {
    /// A function from API key to access token.
    pub fn local<F>(exchange: F) -> Self
    where
        F: Fn(SecretString) -> BoxFuture<'static, Result<String, Error>> + Send + Sync + 'static,
    {
        Self(Arc::new(exchange))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

/// Whether this has the shape of an API key at all.
pub(crate) fn is_key(credential: &str) -> bool {
    let Some(rest) = credential.strip_prefix(KEY_PREFIX) else {
        return false;
    };
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (32..=128).contains(&rest.len()) && rest.bytes().all(fine)
}

/// One exchange at a time for each key, and a short memory of those that failed.
#[derive(Debug)]
pub(crate) struct Exchanges {
    source: Source,
    desks: Mutex<HashMap<Digest, Desk>>,
    at_once: Semaphore,
}

/// Where the callers with one key queue. Holds the last failure.
pub(crate) type Desk = Arc<AsyncMutex<Option<Failed>>>;

#[derive(Debug)]
pub(crate) struct Failed {
    refused: bool,
    until: Instant,
}

/// The outcome of standing in the queue.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused,
    /// With the source only for the caller who met it; others are told from memory.
    Unavailable(Option<anyhow::Error>),
}

impl Exchanges {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            desks: Mutex::default(),
            at_once: Semaphore::new(AT_ONCE),
        }
    }

    /// The key's desk; lock it, look whether somebody else brought the token, then [`Self::run`].
    pub(crate) fn desk(&self, key: Digest) -> Desk {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        if desks.len() >= MAX_KEYS {
            // Those in use are held by whoever stands there.
            desks.retain(|_, desk| Arc::strong_count(desk) > 1);
        }
        Arc::clone(desks.entry(key).or_default())
    }

    /// Exchanges the key, unless it failed a moment ago. `desk` is the locked desk.
    pub(crate) async fn run(
        &self,
        desk: &mut Option<Failed>,
        key: &str,
    ) -> Result<String, Failure> {
        if let Some(failed) = desk
            && failed.until > Instant::now()
        {
            return Err(if failed.refused {
                Failure::Refused
            } else {
                Failure::Unavailable(None)
            });
        }
        let Ok(place) = timeout(QUEUE_FOR, self.at_once.acquire()).await else {
            return Err(Failure::Unavailable(None));
        };
        let outcome = (self.source.0)(SecretString::from(key)).await;
        drop(place);
        outcome.map_err(|error| match error {
            Error::Refused => {
                refuse(desk);
                Failure::Refused
            }
            Error::Unavailable(source) => {
                let until = Instant::now() + UNAVAILABLE_FOR;
                *desk = Some(Failed {
                    refused: false,
                    until,
                });
                Failure::Unavailable(Some(source))
            }
        })
    }
}

/// Remembers that the key is not good.
pub(crate) fn refuse(desk: &mut Option<Failed>) {
    let until = Instant::now() + REFUSED_FOR;
    *desk = Some(Failed {
        refused: true,
        until,
    });
}
