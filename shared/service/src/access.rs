//! From a credential to a [`Caller`]: token and key caches, key set, status feed.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use secrecy::SecretString;
use tokio::sync::watch;
use url::Url;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::exchange;
use crate::keys::Jwks;
use crate::shutdown::Shutdown;
use crate::status::Feed;

/// Audience of tokens for auth-service.
pub const AUTH_AUDIENCE: &str = "veritrail-auth";
/// Audience of tokens for log-service.
pub const LOGS_AUDIENCE: &str = "veritrail-logs";

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

/// Verifies callers. Clones share caches, key set and feed.
#[derive(Clone)]
pub struct Access {}

impl Access {
    /// Starts the pollers of key set and status feed; they end with `shutdown`. Does not wait for
    /// auth-service: until it has answered once, requests get 503.
    pub fn start(config: AccessConfig, shutdown: &Shutdown) -> anyhow::Result<Self> {
        let _ = (config, shutdown);
        todo!()
    }

    /// auth-service verifying its own callers: it owns keys, feed and exchange.
    pub fn local(
        issuer: impl Into<String>,
        audience: &'static str,
        keys: watch::Receiver<Jwks>,
        feed: Feed,
        exchange: exchange::Source,
    ) -> Self {
        let _ = (issuer.into(), audience, keys, feed, exchange);
        todo!()
    }

    /// Verifies the `authorization` header. 401 without one good bearer credential, 503 when
    /// auth-service is needed and does not answer.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let _ = headers;
        todo!()
    }

    /// The status feed's word on a read, now: 503 `status_stale` when the feed is older than 5 s,
    /// 403 `tenant_suspended`, 401 for a disabled principal or key. The extractor has asked this
    /// already; streams and long answers ask again.
    pub fn admit_read(&self, caller: &Caller) -> Result<(), ApiError> {
        let _ = caller;
        todo!()
    }

    /// The same for an append: also 403 `tenant_archived`; a stale feed is good for 60 s.
    pub fn admit_write(&self, caller: &Caller) -> Result<(), ApiError> {
        let _ = caller;
        todo!()
    }

    /// The same for a change (users, partitions, settings): also 403 `tenant_archived`, and
    /// nothing on a stale feed.
    pub fn admit_change(&self, caller: &Caller) -> Result<(), ApiError> {
        let _ = caller;
        todo!()
    }

    /// [`Access::admit_write`] as the ledger's lane asks it a second time, right before linking.
    pub fn admit_append(&self, caller: &Caller) -> bool {
        let _ = caller;
        todo!()
    }

    /// The feed that this access looks at.
    pub fn feed(&self) -> &Feed {
        todo!()
    }
}

/// The caller of a route that appends: where [`Caller`] as an extractor asks for
/// [`Access::admit_read`] on GET and HEAD and [`Access::admit_change`] on every other method, this
/// asks for [`Access::admit_write`], so that appends outlive a silent auth-service.
#[derive(Debug, Clone)]
pub struct Appender(pub Caller);

impl<S> FromRequestParts<S> for Appender
where
    Access: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let _ = (parts, state);
        todo!()
    }
}

impl<S> FromRequestParts<S> for Caller
where
    Access: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let _ = (parts, state);
        todo!()
    }
}
