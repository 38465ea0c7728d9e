//! The status feed: what is not in order right now, and how old that knowledge is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

use crate::shutdown::Shutdown;

/// A tenant's status, where it is not active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TenantStatus {
    /// Nothing goes.
    Suspended,
    /// Readable and provable; no append, no change.
    Archived,
}

/// The whole feed, as `GET /internal/status` answers it. Sorted, so that equal sets are equal text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusSet {
    #[serde(default)]
    pub tenants: BTreeMap<Uuid, TenantStatus>,
    /// Disabled users and service accounts.
    #[serde(default)]
    pub principals: BTreeSet<Uuid>,
    /// Revoked API keys.
    #[serde(default)]
    pub keys: BTreeSet<Uuid>,
    /// Revoked signing keys, by kid: whatever they signed is refused, however old.
    #[serde(default)]
    pub signing_keys: BTreeSet<String>,
    /// Tokens of this principal issued before this Unix second are refused.
    #[serde(default)]
    pub not_before: BTreeMap<Uuid, i64>,
    /// Only of tenants where a setting is not the default.
    #[serde(default)]
    pub settings: BTreeMap<Uuid, Settings>,
}

/// A tenant's settings that other services follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The tenant takes ids that look like e-mail addresses.
    #[serde(default)]
    pub personal_ids: bool,
}

/// The newest known [`StatusSet`] and when it was last confirmed. Clones share it.
#[derive(Debug, Clone)]
pub struct Feed {
    shared: Arc<watch::Sender<Snapshot>>,
}

#[derive(Debug, Default)]
struct Snapshot {
    set: Arc<StatusSet>,
    confirmed: Option<Instant>,
}

impl Default for Feed {
    fn default() -> Self {
        let shared = Arc::new(watch::Sender::default());
        Self { shared }
    }
}

impl Feed {
    /// A feed that knows nothing yet: stale until the first [`Feed::replace`].
    pub fn new() -> Self {
        Self::default()
    }

    /// A new set, true as of now.
    pub fn replace(&self, set: StatusSet) {
        self.replace_as_of(set, Instant::now());
    }

    /// The set that is there is still true as of now.
    pub fn confirm(&self) {
        self.confirm_as_of(Instant::now());
    }

    /// What is known, and its age; None before the first [`Feed::replace`].
    pub fn read(&self) -> (Arc<StatusSet>, Option<Duration>) {
        let snapshot = self.shared.borrow();
        let age = snapshot.confirmed.map(|at| at.elapsed());
        (Arc::clone(&snapshot.set), age)
    }

    pub fn set(&self) -> Arc<StatusSet> {
        self.read().0
    }

    /// Time since the last confirmation; None before the first.
    pub fn age(&self) -> Option<Duration> {
        self.read().1
    }

    /// Returns at the next [`Feed::replace`] or [`Feed::confirm`]. Cancel-safe.
    pub async fn next(&self) {
        // The sender lives in `self`, so this cannot fail.
        let _ = self.shared.subscribe().changed().await;
    }

    fn replace_as_of(&self, set: StatusSet, at: Instant) {
        self.shared.send_replace(Snapshot {
            set: Arc::new(set),
            confirmed: Some(at),
        });
    }

    fn confirm_as_of(&self, at: Instant) {
        self.shared.send_modify(|snapshot| {
            // A set that was never there cannot be confirmed.
            if let Some(confirmed) = &mut snapshot.confirmed {
                *confirmed = at;
            }
        });
    }
}

/// Asks for the set every so often and keeps the feed; ends with `shutdown`.
///
/// An answer counts from when it was asked for, so time on the way makes it older, never younger.
pub(crate) async fn poll<F, Fut>(feed: Feed, every: Duration, shutdown: Shutdown, ask: F)
where
    F: Fn(Option<HeaderValue>) -> Fut,
    Fut: Future<Output = anyhow::Result<Option<(StatusSet, Option<HeaderValue>)>>>,
{
    let mut etag = None;
    let mut failing = false;
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.wait() => return,
        }
        let asked = Instant::now();
        let answer = tokio::select! {
            answer = ask(etag.clone()) => answer,
            () = shutdown.wait() => return,
        };
        let failed = answer.is_err();
        match answer {
            Ok(Some((set, tag))) => {
                feed.replace_as_of(set, asked);
                etag = tag;
            }
            Ok(None) => feed.confirm_as_of(asked),
            Err(error) if !failing => {
                tracing::warn!(error = format!("{error:#}"), "status feed does not answer");
            }
            Err(_) => {}
        }
        if failing && !failed {
            tracing::info!("status feed answers again");
        }
        failing = failed;
        let age = feed.age().map_or(f64::INFINITY, |age| age.as_secs_f64());
        metrics::gauge!("status_feed_age_seconds").set(age);
    }
}
