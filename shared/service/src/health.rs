//! `/livez`, `/readyz` and `/health`.
//!
//! Anybody may ask, so a check runs at most once a second for all of them, and its errors go to the log alone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::{BoxFuture, join_all};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::access::Access;
use crate::extract::Json;

/// Longest time for one check.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an outcome is good for.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// The named checks of a process, each bounded in time. Clones share them and their outcomes.
#[derive(Clone, Default)]
pub struct Health {
    checks: Vec<Arc<Check>>,
}

struct Check {
    name: &'static str,
    /// What it means that it fails.
    failure: Standing,
    run: Box<dyn Fn() -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>,
    /// When it was run, and whether it failed. Held while it runs: those who ask meanwhile wait.
    last: Mutex<Option<(Instant, bool)>>,
}

/// How a check stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Passes,
    /// It fails, and the process goes on with less.
    Degraded,
    /// It fails, and the process is not ready.
    Fails,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.checks.iter().map(|check| check.name))
            .finish()
    }
}

impl Health {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check; each run may take 2 s. The process is ready when all pass.
    #[must_use]
    pub fn check<F, Fut>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.with(name, Standing::Fails, check)
    }

    /// Adds a check of something that the process can do without for a while: where it fails, that is
    /// shown where details are and logged, and the process stays ready.
    #[must_use]
    pub fn watch<F, Fut>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.with(name, Standing::Degraded, check)
    }

    fn with<F, Fut>(mut self, name: &'static str, failure: Standing, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.checks.push(Arc::new(Check {
            name,
            failure,
            run: Box::new(move || Box::pin(check())),
            last: Mutex::default(),
        }));
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
        let state = Arc::new(Shared {
            health: self,
            access,
        });
        Router::new()
            .route("/livez", get(async || Json(Report::of(Standing::Passes))))
            .route("/readyz", get(ready))
            .route("/health", get(health))
            .with_state(state)
    }

    /// `/readyz` with the state of each check, for a listener that operators alone reach, and for a
    /// process that knows no callers.
    pub fn detailed(self) -> Router {
        Router::new().route("/readyz", get(detail)).with_state(self)
    }

    /// Whether the process is ready. Never waits for what it can do without.
    async fn ready(&self) -> Standing {
        let needed = |check: &&Arc<Check>| check.failure == Standing::Fails;
        whole(&standings(self.checks.iter().filter(needed)).await)
    }

    async fn all(&self) -> Vec<(&'static str, Standing)> {
        standings(&self.checks).await
    }
}

/// Of each check, all at once.
async fn standings(checks: impl IntoIterator<Item = &Arc<Check>>) -> Vec<(&'static str, Standing)> {
    let standings = checks
        .into_iter()
        .map(async |check| (check.name, check.standing().await));
    join_all(standings).await
}

impl Check {
    /// From at most a second ago.
    async fn standing(&self) -> Standing {
        let mut last = self.last.lock().await;
        let failed = match *last {
            Some((at, failed)) if at.elapsed() < GOOD_FOR => failed,
            before => {
                let failed = self.fails(before.is_some_and(|(_, failed)| failed)).await;
                *last = Some((Instant::now(), failed));
                failed
            }
        };
        if failed {
            self.failure
        } else {
            Standing::Passes
        }
    }

    /// Runs it, and logs what changed.
    async fn fails(&self, failed_before: bool) -> bool {
        let error = match timeout(PATIENCE, (self.run)()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some("timed out".to_owned()),
        };
        match &error {
            Some(error) if !failed_before => {
                tracing::warn!(check = self.name, error, "check fails");
            }
            None if failed_before => tracing::info!(check = self.name, "check passes again"),
            _ => {}
        }
        error.is_some()
    }
}

struct Shared {
    health: Health,
    access: Access,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<CheckReport>,
}

#[derive(Serialize)]
struct CheckReport {
    name: &'static str,
    status: &'static str,
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Passes => "ok",
        Standing::Degraded => "degraded",
        Standing::Fails => "failing",
    }
}

/// Of the process as a whole.
fn whole(checks: &[(&'static str, Standing)]) -> Standing {
    let fails = checks.iter().any(|(_, check)| *check == Standing::Fails);
    if fails {
        Standing::Fails
    } else {
        Standing::Passes
    }
}

impl Report {
    fn of(standing: Standing) -> Self {
        Self {
            status: word(standing),
            checks: Vec::new(),
        }
    }

    fn with(checks: Vec<(&'static str, Standing)>) -> Self {
        let mut report = Self::of(whole(&checks));
        let checks = checks.into_iter().map(|(name, standing)| CheckReport {
            name,
            status: word(standing),
        });
        report.checks = checks.collect();
        report
    }

    fn into_answer(self) -> Response {
        let status = match self.status {
            "ok" => StatusCode::OK,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(self)).into_response()
    }
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    Report::of(shared.health.ready().await).into_answer()
}

async fn detail(State(health): State<Health>) -> Response {
    Report::with(health.all().await).into_answer()
}

async fn health(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let checks = shared.health.all().await;
    let mut report = Report::of(whole(&checks));
    // Whoever cannot be verified right now gets what everybody gets.
    if let Ok(caller) = shared.access.authenticate(&headers).await
        && shared.access.admit_read(&caller).is_ok()
        && !caller.roles.is_empty()
    {
        report = Report::with(checks);
    }
    report.into_answer()
}
