//! How far the index is in each chain of a tenant: read from the ledger, and gone by for a moment, since
//! many searches of a tenant come at once; for longer where the index has been at rest. What was indexed
//! stays indexed, so older news only leaves more to the ledger; whoever goes by it looks afterwards whether
//! it still holds, since an index may be put in the place of another one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ledger::{Ledger, Tenant};
use service::ApiError;
use tokio::time::Instant;
use uuid::Uuid;

use super::wait::VISIBLE;
use crate::state::unanswered;

/// How long what was read is gone by: as long as it has been the same, within these bounds. So a tenant
/// whose entries come in leaves little to the ledger, and one at rest is not asked about before each search.
const FRESH: Duration = Duration::from_millis(100);
const FRESH_AT_REST: Duration = Duration::from_secs(1);
/// Tenants that are remembered at most, and chains of one: about 10 MB in all.
const TENANTS: usize = 1_024;
const CHAINS: usize = 100;

#[derive(PartialEq, Eq)]
pub(super) struct Extent {
    /// The first seq of each chain, by partition and generation, that the index does not answer for.
    next: HashMap<(String, u32), u64>,
    epoch: i64,
}

impl Extent {
    /// As the ledger says now.
    pub(super) async fn read(ledger: &Ledger, tenant: &Tenant) -> Result<Self, ApiError> {
        let known = ledger.cursors(VISIBLE, tenant.id).await;
        let known = known.map_err(unanswered)?;
        let next = known.cursors.into_iter();
        let next = next.map(|cursor| ((cursor.partition, cursor.generation), cursor.next));
        Ok(Self {
            next: next.collect(),
            epoch: known.epoch,
        })
    }

    /// Whether an answer that the index has given before this epoch was read has everything below.
    pub(super) fn holds(&self, epoch: i64) -> bool {
        epoch == self.epoch
    }

    /// The first seq of a chain that the index does not answer for.
    pub(super) fn next(&self, partition: &str, generation: u32) -> u64 {
        let chain = (partition.to_owned(), generation);
        self.next.get(&chain).copied().unwrap_or(0)
    }

    /// Everything in the partitions that are wanted.
    pub(super) fn windows(&self, wanted: impl Fn(&str) -> bool) -> Vec<search::Window> {
        let chains = self.next.iter();
        let chains = chains.filter(|((partition, _), next)| **next > 0 && wanted(partition));
        chains
            .map(|((partition, generation), next)| search::Window {
                partition: partition.clone(),
                generation: *generation,
                from: 0,
                to: *next,
            })
            .collect()
    }
}

/// What was read lately, by tenant.
#[derive(Default)]
pub(crate) struct Extents {
    known: Mutex<HashMap<Uuid, Known>>,
}

struct Known {
    /// Before the ledger was asked.
    asked: Instant,
    /// Since when the ledger has said the same.
    since: Instant,
    extent: Arc<Extent>,
}

impl Known {
    fn is_fresh(&self) -> bool {
        let same = self.asked.duration_since(self.since);
        self.asked.elapsed() < same.clamp(FRESH, FRESH_AT_REST)
    }
}

impl Extents {
    /// As the ledger said a moment ago, or says now.
    pub(super) async fn of(
        &self,
        ledger: &Ledger,
        tenant: &Tenant,
    ) -> Result<Arc<Extent>, ApiError> {
        if let Some(known) = self.known().get(&tenant.id)
            && known.is_fresh()
        {
            return Ok(Arc::clone(&known.extent));
        }
        let asked = Instant::now();
        let extent = Arc::new(Extent::read(ledger, tenant).await?);
        self.remember(tenant.id, asked, &extent);
        Ok(extent)
    }

    /// For when the ledger has said something else meanwhile.
    pub(super) fn forget(&self, tenant: Uuid) {
        self.known().remove(&tenant);
    }

    fn remember(&self, tenant: Uuid, asked: Instant, extent: &Arc<Extent>) {
        let mut known = self.known();
        let before = known.remove(&tenant);
        if known.len() >= TENANTS {
            known.retain(|_, known| known.is_fresh());
        }
        if known.len() < TENANTS && extent.next.len() <= CHAINS {
            let same = before.filter(|before| before.extent == *extent);
            let since = same.map_or(asked, |before| before.since.min(asked));
            let extent = Arc::clone(extent);
            known.insert(
                tenant,
                Known {
                    asked,
                    since,
                    extent,
                },
            );
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Uuid, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    /// Remembers what the ledger says now, of one chain.
    fn remember(extents: &Extents, tenant: Uuid, next: u64) {
        let chain = ("default".to_owned(), 1);
        let extent = Arc::new(Extent {
            next: HashMap::from([(chain, next)]),
            epoch: 0,
        });
        extents.remember(tenant, Instant::now(), &extent);
    }

    fn is_fresh(extents: &Extents, tenant: Uuid) -> bool {
        extents.known().get(&tenant).is_some_and(Known::is_fresh)
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_the_same_is_gone_by_for_as_long_again_and_for_a_second_at_most() {
        let (extents, tenant) = (Extents::default(), Uuid::now_v7());
        remember(&extents, tenant, 7);
        for millis in [100, 100, 200, 400, 800, 1_000, 1_000] {
            advance(Duration::from_millis(millis - 1)).await;
            assert!(is_fresh(&extents, tenant), "{millis}");
            advance(Duration::from_millis(1)).await;
            assert!(!is_fresh(&extents, tenant), "{millis}");
            remember(&extents, tenant, 7);
        }
        remember(&extents, tenant, 8);
        advance(FRESH).await;
        assert!(!is_fresh(&extents, tenant), "the index has moved");
    }

    #[tokio::test(start_paused = true)]
    async fn tenants_that_are_gone_by_no_more_make_room() {
        let extents = Extents::default();
        for _ in 0..TENANTS {
            remember(&extents, Uuid::now_v7(), 7);
        }
        let late = Uuid::now_v7();
        remember(&extents, late, 7);
        assert!(!is_fresh(&extents, late), "there is no room");
        advance(FRESH).await;
        remember(&extents, late, 7);
        assert!(is_fresh(&extents, late));
        assert_eq!(extents.known().len(), 1);
    }
}
