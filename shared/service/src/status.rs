//! The status feed: what is not in order right now, and how old that knowledge is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

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
    /// Tokens of this principal issued before this Unix second are refused.
    #[serde(default)]
    pub not_before: BTreeMap<Uuid, i64>,
}

/// The newest known [`StatusSet`] and when it was last confirmed. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Feed {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    set: RwLock<Arc<StatusSet>>,
    confirmed: Mutex<Option<Instant>>,
}

impl Feed {
    /// A feed that knows nothing yet: stale until the first [`Feed::replace`].
    pub fn new() -> Self {
        Self::default()
    }

    /// A new set, true as of now.
    pub fn replace(&self, set: StatusSet) {
        let _ = set;
        todo!()
    }

    /// The set that is there is still true as of now.
    pub fn confirm(&self) {
        todo!()
    }

    pub fn set(&self) -> Arc<StatusSet> {
        todo!()
    }

    /// Time since the last confirmation; None before the first.
    pub fn age(&self) -> Option<Duration> {
        todo!()
    }
}
