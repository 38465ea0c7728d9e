//! `/livez`, `/readyz` and `/health`.

use std::fmt;

use axum::Router;
use futures_util::future::BoxFuture;

use crate::access::Access;

/// The named checks of a process, each bounded in time. Clones share them.
#[derive(Clone, Default)]
pub struct Health {
    checks: Vec<(&'static str, Check)>,
}

type Check = std::sync::Arc<dyn Fn() -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>;

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.checks.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Health {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check; each run may take 2 s. The process is ready when all pass.
    #[must_use]
    pub fn check<F, Fut>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let boxed: Check = std::sync::Arc::new(move || Box::pin(check()));
        self.checks.push((name, boxed));
        self
    }

    /// Also everything that the other process checks, for several services in one process.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.checks.extend(other.checks);
        self
    }

    /// The three routes. `/livez` says that the process serves; `/readyz` 200 or 503 without
    /// detail; `/health` the same, with the state of each check for a caller with any role.
    pub fn router(self, access: Access) -> Router {
        let _ = access;
        todo!()
    }
}
