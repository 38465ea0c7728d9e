//! From a credential to a [`Caller`]: token and key caches, key set, status feed.
//!
//! No credential is kept, logged or shown: caches are keyed by its SHA-256.

mod admission;
pub(crate) mod cache;
mod remote;
mod ring;
mod tenants;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use axum::http::{HeaderMap, header};
use secrecy::SecretString;
use tokio::sync::watch;
use url::Url;

pub use self::admission::Appender;
use self::admission::STALE_AFTER;
use self::cache::{Cache, Digest, Known, digest};
use self::remote::Remote;
use self::ring::Ring;
use self::tenants::Tenants;
use crate::caller::{Caller, Kind};
use crate::error::ApiError;
use crate::exchange::{self, Exchanges, Failure};
use crate::keys::Jwks;
use crate::request;
use crate::shutdown::Shutdown;
use crate::status::{self, Feed};
use crate::token::{self, Expected, Refusal};

/// Audience of tokens for auth-service.
pub const AUTH_AUDIENCE: &str = "veritrail-auth";
/// Audience of tokens for log-service.
pub const LOGS_AUDIENCE: &str = "veritrail-logs";

/// Half of the credentials that are remembered.
const CACHE_HALF: usize = 10_000;
/// A token from an API key is exchanged anew this many seconds before it expires.
const RENEW_BEFORE: i64 = 60;

/// How a service verifies callers against an auth-service elsewhere.
#[derive(Debug, Clone)]
pub struct AccessConfig {
    /// Base address of auth-service, e.g. `http://127.0.0.1:8001`.
    pub auth_url: Url,
    /// The `iss` that tokens must carry.
    pub issuer: String,
    /// The `aud` that tokens must contain: [`AUTH_AUDIENCE`] or [`LOGS_AUDIENCE`].
    pub audience: &'static str,
    /// Bearer secret of the status feed.
    pub internal_secret: SecretString,
}

/// How often auth-service is asked, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Between two questions for the status feed.
    pub status_every: Duration,
    /// Between two questions for the key set.
    pub keys_every: Duration,
    /// Shortest time between two fetches of the key set for keys that are not in it.
    pub keys_pause: Duration,
    /// Longest time for one answer.
    pub patience: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            status_every: Duration::from_secs(1),
            keys_every: Duration::from_secs(30),
            keys_pause: Duration::from_secs(3),
            patience: Duration::from_secs(2),
        }
    }
}

/// Verifies callers. Clones share caches, key set and feed.
#[derive(Clone)]
pub struct Access {
    inner: Arc<Inner>,
}

struct Inner {
    expected: Expected,
    ring: Ring,
    feed: Feed,
    exchanges: Exchanges,
    cache: Cache,
    tenants: Tenants,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Access").field(&self.inner.expected).finish()
    }
}

impl Access {
    /// Starts the pollers of key set and status feed; they end with `shutdown`. Does not wait for
    /// auth-service: until it has answered once, requests get 503. Needs a runtime.
    pub fn start(config: AccessConfig, shutdown: &Shutdown) -> anyhow::Result<Self> {
        Self::start_with(config, Timing::default(), shutdown)
    }

    /// [`Access::start`] in another rhythm.
    pub fn start_with(
        config: AccessConfig,
        timing: Timing,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Self> {
        let remote = Remote::new(&config.auth_url, config.internal_secret, timing.patience)?;
        let expected = Expected {
            issuer: config.issuer,
            audience: config.audience,
        };
        let ring = Ring::remote(remote.clone(), timing.keys_pause);
        let exchanger = remote.clone();
        let source = exchange::Source::local(move |key| {
            let remote = exchanger.clone();
            Box::pin(async move { remote.exchange(key).await })
        });
        let access = Self::new(expected, ring, Feed::new(), source);
        let feed = access.inner.feed.clone();
        let stop = shutdown.clone();
        tokio::spawn(status::poll(feed, timing.status_every, stop, move |etag| {
            let remote = remote.clone();
            async move { remote.status(etag.as_ref()).await }
        }));
        tokio::spawn(poll_keys(access.clone(), timing, shutdown.clone()));
        Ok(access)
    }

    /// auth-service verifying its own callers: it owns keys, feed and exchange.
    pub fn local(
        issuer: impl Into<String>,
        audience: &'static str,
        keys: watch::Receiver<Jwks>,
        feed: Feed,
        exchange: exchange::Source,
    ) -> Self {
        let issuer = issuer.into();
        let expected = Expected { issuer, audience };
        Self::new(expected, Ring::local(keys), feed, exchange)
    }

    fn new(expected: Expected, ring: Ring, feed: Feed, source: exchange::Source) -> Self {
        let inner = Inner {
            expected,
            ring,
            feed,
            exchanges: Exchanges::new(source),
            cache: Cache::new(CACHE_HALF),
            tenants: Tenants::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Verifies the `authorization` header: a token or an API key. 401 without exactly one good
    /// bearer credential, 503 when auth-service is needed and does not answer. The status feed is
    /// not asked.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        self.authenticate_bearer(bearer(headers)?).await
    }

    /// The same of a credential that came another way than in a header: in a message, say.
    pub async fn authenticate_bearer(&self, credential: &str) -> Result<Caller, ApiError> {
        let now = unix_now();
        if exchange::is_key(credential) {
            self.by_key(credential, now).await
        } else {
            self.by_token(credential, now).await
        }
    }

    async fn by_token(&self, token: &str, now: i64) -> Result<Caller, ApiError> {
        if token.len() > token::MAX_BYTES {
            return Err(refused("too long"));
        }
        let digest = digest(token);
        if let Some(known) = self.known(&digest) {
            return if known.caller.expires_at > now {
                Ok(known.caller.clone())
            } else {
                Err(expired())
            };
        }
        let (caller, epoch) = self.verify(token, now).await?;
        let fresh_until = caller.expires_at;
        self.remember(digest, &caller, fresh_until, epoch);
        Ok(caller)
    }

    async fn by_key(&self, key: &str, now: i64) -> Result<Caller, ApiError> {
        let digest = digest(key);
        // After a change of the account's role or scopes only a new exchange tells what the key may.
        let current = || {
            let known = self.known(&digest);
            known.filter(|known| !self.is_outdated(&known.caller))
        };
        let known = current();
        if let Some(known) = &known
            && known.fresh_until > now
        {
            return Ok(known.caller.clone());
        }
        let usable = known.filter(|known| known.caller.expires_at > now);
        let desk = self.inner.exchanges.desk(digest);
        let mut desk = match (desk.try_lock(), &usable) {
            (Ok(desk), _) => desk,
            // Somebody is renewing it, and what there is still holds.
            (Err(_), Some(known)) => return Ok(known.caller.clone()),
            (Err(_), None) => desk.lock().await,
        };
        if let Some(known) = current()
            && known.fresh_until > now
        {
            return Ok(known.caller.clone());
        }
        match self.inner.exchanges.run(&mut desk, key).await {
            Ok(token) => {
                // A token that is not good will not get better within a moment.
                let granted = self.granted(&token, now).await;
                match &granted {
                    Err(ApiError::Unauthorized { .. }) => exchange::refuse(&mut desk),
                    _ => *desk = None,
                }
                let (caller, epoch) = granted?;
                let life = caller.expires_at - now;
                let fresh_until = caller.expires_at - RENEW_BEFORE.min(life / 4);
                self.remember(digest, &caller, fresh_until, epoch);
                Ok(caller)
            }
            Err(Failure::Refused) => Err(refused("API key")),
            Err(Failure::Unavailable(source)) => match usable {
                Some(known) => Ok(known.caller.clone()),
                None => Err(unavailable(source)),
            },
        }
    }

    /// A token that an API key was exchanged for can only be a service account's, and names the
    /// key: otherwise revoking the key would not end it.
    async fn granted(&self, token: &str, now: i64) -> Result<(Caller, u64), ApiError> {
        let (caller, epoch) = self.verify(token, now).await?;
        if caller.principal.kind != Kind::Service || caller.key.is_none() {
            return Err(refused("exchanged for something else"));
        }
        Ok((caller, epoch))
    }

    fn known(&self, digest: &Digest) -> Option<Arc<Known>> {
        let epoch = self.inner.ring.epoch();
        let known = self.inner.cache.get(digest)?;
        (known.epoch == epoch).then_some(known)
    }

    fn remember(&self, digest: Digest, caller: &Caller, fresh_until: i64, epoch: u64) {
        let known = Known {
            caller: caller.clone(),
            fresh_until,
            epoch,
        };
        self.inner.cache.insert(digest, Arc::new(known));
    }

    /// Verifies against the key set, and against a newer one when the key is not in it.
    async fn verify(&self, token: &str, now: i64) -> Result<(Caller, u64), ApiError> {
        let Inner { ring, expected, .. } = &*self.inner;
        let (mut epoch, keys) = ring.current();
        let mut verdict = token::verify(token, &keys, expected, now);
        if verdict.as_ref().err() == Some(&Refusal::UnknownKey) {
            let renewed = ring.renew(&keys).await;
            renewed.map_err(|ring::Unavailable(source)| unavailable(source))?;
            let (newer_epoch, newer) = ring.current();
            epoch = newer_epoch;
            verdict = token::verify(token, &newer, expected, now);
        }
        let caller = verdict.map_err(|refusal| match refusal {
            Refusal::Expired => expired(),
            Refusal::UnknownKey => refused("unknown key"),
            Refusal::Bad(why) => refused(why),
        })?;
        if let Some(tenant) = &caller.tenant
            && !self.inner.tenants.agree(tenant)
        {
            return Err(refused("tenant and tenant_id disagree"));
        }
        Ok((caller, epoch))
    }

    /// The feed that this access looks at.
    pub fn feed(&self) -> &Feed {
        &self.inner.feed
    }

    /// For a health check: an error while requests would get 503.
    pub fn ready(&self) -> anyhow::Result<()> {
        ensure!(!self.inner.ring.is_empty(), "no key set");
        let age = self.inner.feed.age();
        let fresh = age.is_some_and(|age| age <= STALE_AFTER);
        ensure!(fresh, "status feed stale");
        Ok(())
    }

    /// Returns once [`Access::ready`] would pass. Cancel-safe.
    pub async fn until_ready(&self) {
        self.inner.ring.filled().await;
        while self.ready().is_err() {
            self.inner.feed.next().await;
        }
    }

    async fn identify(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let caller = self.authenticate(headers).await?;
        request::identify(&caller);
        Ok(caller)
    }
}

/// Keeps the key set: often until there is one, then seldom.
async fn poll_keys(access: Access, timing: Timing, shutdown: Shutdown) {
    let ring = &access.inner.ring;
    let mut failing = false;
    loop {
        let answer = tokio::select! {
            answer = ring.poll() => answer,
            () = shutdown.wait() => return,
        };
        match (&answer, failing) {
            (Err(error), false) => {
                tracing::warn!(error = format!("{error:#}"), "key set not fetched");
            }
            (Ok(()), true) => tracing::info!("key set fetched"),
            _ => {}
        }
        failing = answer.is_err();
        let wait = if ring.is_empty() {
            timing.status_every.min(Duration::from_millis(250))
        } else {
            timing.keys_every
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shutdown.wait() => return,
        }
    }
}

/// The one bearer credential (RFC 6750 §2.1); never from the address or the body.
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = given.next() else {
        let code = "no_credential";
        return Err(ApiError::Unauthorized { code });
    };
    if given.next().is_some() {
        return Err(refused("two authorization headers"));
    }
    let value = value.to_str().map_err(|_| refused("not ASCII"))?;
    match value.split_once(' ') {
        Some((scheme, credential)) if scheme.eq_ignore_ascii_case("bearer") => Ok(credential),
        _ => Err(refused("not a bearer credential")),
    }
}

fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// 401; the reason is for the log alone.
fn refused(why: &'static str) -> ApiError {
    tracing::debug!(why, "credential refused");
    let code = "bad_credential";
    ApiError::Unauthorized { code }
}

fn expired() -> ApiError {
    let code = "token_expired";
    ApiError::Unauthorized { code }
}

fn unavailable(source: Option<anyhow::Error>) -> ApiError {
    ApiError::Unavailable {
        code: "auth_unavailable",
        retry_after: Duration::from_secs(2),
        source,
    }
}
