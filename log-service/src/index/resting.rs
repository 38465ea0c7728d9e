//! For whom the index is left alone for a while: for everybody when nothing answers at all, otherwise for the
//! tenant whose own index may be what fails. One tenant's trouble is no other's.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

const REST: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Resting(Mutex<Until>);

/// Not asked before these.
#[derive(Debug, Default)]
struct Until {
    all: Option<Instant>,
    /// Whoever rests no more is forgotten when the next one begins to.
    tenants: HashMap<Uuid, Instant>,
}

impl Resting {
    /// For everybody, from now on.
    pub(super) fn begin(&self) {
        self.until().all = Some(Instant::now() + REST);
    }

    /// For one tenant, from now on.
    pub(super) fn begin_for(&self, tenant: Uuid) {
        let now = Instant::now();
        let mut until = self.until();
        until.tenants.retain(|_, until| now < *until);
        until.tenants.insert(tenant, now + REST);
    }

    pub(super) fn holds_for(&self, tenant: Uuid) -> bool {
        let until = self.until();
        let own = until.tenants.get(&tenant);
        let mut all = until.all.iter().chain(own);
        let now = Instant::now();
        all.any(|until| now < *until)
    }

    fn until(&self) -> MutexGuard<'_, Until> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tenant_rests_alone_and_is_forgotten() {
        let resting = Resting::default();
        let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
        resting.begin_for(one);
        assert!(resting.holds_for(one));
        assert!(!resting.holds_for(other));
        tokio::time::advance(REST).await;
        assert!(!resting.holds_for(one));
        for _ in 0..100 {
            resting.begin_for(Uuid::now_v7());
        }
        assert_eq!(resting.until().tenants.len(), 100);
        tokio::time::advance(REST).await;
        resting.begin_for(other);
        assert_eq!(resting.until().tenants.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_rests_when_nothing_answers() {
        let resting = Resting::default();
        resting.begin();
        assert!(resting.holds_for(Uuid::now_v7()));
        tokio::time::advance(REST).await;
        assert!(!resting.holds_for(Uuid::now_v7()));
    }
}
