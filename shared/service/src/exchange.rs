//! API keys: exchanged for a token once, the token kept until shortly before it expires.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrecy::SecretString;

/// First characters of every API key.
pub const KEY_PREFIX: &str = "vtk_";

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
pub struct Source(pub(crate) Arc<Exchange>);

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
