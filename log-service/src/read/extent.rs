//! How far the index is in each chain of a tenant: read from the ledger, and gone by for a moment, since
//! many searches of a tenant come at once. What was indexed stays indexed, so older news only leaves more
//! to the ledger; whoever goes by it looks afterwards whether it still holds, since an index may be put in
//! the place of another one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ledger::{Ledger, Tenant};
use service::ApiError;
use tokio::time::Instant;
use uuid::Uuid;

use super::wait::VISIBLE;
use crate::state::unanswered;

/// How long what was read is gone by.
const FRESH: Duration = Duration::from_millis(100);
/// Tenants that are remembered at most, and chains of one: about 10 MB in all.
const TENANTS: usize = 1_024;
const CHAINS: usize = 100;

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
    extent: Arc<Extent>,
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.asked.elapsed() < FRESH
    }
}

impl Extents {
    /// As the ledger said within the last 100 ms, or says now.
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

    fn remember(&self, tenant: Uuid, asked: Instant, extent: &Arc<Extent>) {
        let mut known = self.known();
        if known.len() >= TENANTS {
            known.retain(|_, known| known.is_fresh());
        }
        if known.len() < TENANTS && extent.next.len() <= CHAINS {
            let extent = Arc::clone(extent);
            known.insert(tenant, Known { asked, extent });
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Uuid, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
