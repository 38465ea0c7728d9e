//! `/livez`, `/readyz` and `/health`.
//!
//! Anybody may ask, so the checks run at most once a second for each listener, and their errors go to the log alone.

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

/// The named checks of a process, each bounded in time. Clones share them.
#[derive(Clone, Default)]
pub struct Health {
    checks: Vec<(&'static str, Need, Check)>,
}

/// What a check that fails means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// The process is not ready.
    Needed,
    /// It goes on with less.
    Watched,
}

type Check = Arc<dyn Fn() -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>;

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.checks.iter().map(|(name, ..)| name))
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
        let boxed: Check = Arc::new(move || Box::pin(check()));
        self.checks.push((name, Need::Needed, boxed));
        self
    }

    /// Adds a check of something that the process can do without for a while: where it fails, that is
    /// shown where details are and logged, and the process stays ready.
    #[must_use]
    pub fn watch<F, Fut>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let boxed: Check = Arc::new(move || Box::pin(check()));
        self.checks.push((name, Need::Watched, boxed));
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
            checked: Checked::new(&self),
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
        Router::new()
            .route("/readyz", get(detail))
            .with_state(Arc::new(Checked::new(&self)))
    }
}

/// A check's name, and why it failed.
type Outcome = (&'static str, Option<String>);

/// How a check stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Passes,
    /// It fails, and the process goes on.
    Degraded,
    Fails,
}

struct Shared {
    checked: Checked,
    access: Access,
}

/// In two groups, so that whoever asks whether the process is ready never waits for what it can do without.
struct Checked {
    needed: Group,
    watched: Group,
}

struct Group {
    checks: Vec<(&'static str, Check)>,
    /// What a check that fails means.
    failure: Standing,
    last: Mutex<Option<(Instant, Vec<Outcome>)>>,
}

impl Checked {
    fn new(health: &Health) -> Self {
        let group = |wanted: Need, failure| Group {
            checks: health
                .checks
                .iter()
                .filter(|(_, need, _)| *need == wanted)
                .map(|(name, _, check)| (*name, Arc::clone(check)))
                .collect(),
            failure,
            last: Mutex::default(),
        };
        Self {
            needed: group(Need::Needed, Standing::Fails),
            watched: group(Need::Watched, Standing::Degraded),
        }
    }

    async fn all(&self) -> Vec<(&'static str, Standing)> {
        let (mut all, watched) = tokio::join!(self.needed.standings(), self.watched.standings());
        all.extend(watched);
        all
    }
}

impl Group {
    /// The state of each check, from at most a second ago. Those who ask meanwhile wait.
    async fn standings(&self) -> Vec<(&'static str, Standing)> {
        let mut last = self.last.lock().await;
        let outcomes = match last.take() {
            Some((at, outcomes)) if at.elapsed() < GOOD_FOR => (at, outcomes),
            before => {
                let outcomes = self.run().await;
                log_changes(before.map(|(_, outcomes)| outcomes), &outcomes);
                (Instant::now(), outcomes)
            }
        };
        let standings = outcomes.1.iter().map(|(name, failure)| match failure {
            None => (*name, Standing::Passes),
            Some(_) => (*name, self.failure),
        });
        let standings = standings.collect();
        *last = Some(outcomes);
        standings
    }

    async fn run(&self) -> Vec<Outcome> {
        let runs = self.checks.iter().map(|(name, check)| async move {
            let failure = match timeout(PATIENCE, check()).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("{error:#}")),
                Err(_) => Some("timed out".to_owned()),
            };
            (*name, failure)
        });
        join_all(runs).await
    }
}

fn log_changes(before: Option<Vec<Outcome>>, now: &[Outcome]) {
    let before = before.unwrap_or_default();
    for (index, (name, failure)) in now.iter().enumerate() {
        let failed_before = before
            .get(index)
            .is_some_and(|(_, failure)| failure.is_some());
        match failure {
            Some(error) if !failed_before => tracing::warn!(check = name, error, "check fails"),
            None if failed_before => tracing::info!(check = name, "check passes again"),
            _ => {}
        }
    }
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
    let needed = shared.checked.needed.standings().await;
    Report::of(whole(&needed)).into_answer()
}

async fn detail(State(checked): State<Arc<Checked>>) -> Response {
    Report::with(checked.all().await).into_answer()
}

async fn health(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let checks = shared.checked.all().await;
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
