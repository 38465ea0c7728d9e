//! Waiting until an entry is found by a search, for whoever reads what he has just written. All who
//! wait share one short statement each tick, and none waits long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ledger::{Chain, Ledger};
use service::ApiError;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::index::Index;
use crate::state::unanswered;

pub(crate) use search::VISIBLE;

const TICK: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(10);
/// Waiting at once, in all and for one tenant.
const MOST: usize = 1_024;
const MOST_OF_TENANT: usize = 64;

/// Who waits. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Waits {
    shared: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    of: HashMap<Chain, Vec<Waiter>>,
    tenants: HashMap<Uuid, usize>,
    all: usize,
    /// Whether somebody looks at the cursors for all.
    polled: bool,
}

struct Waiter {
    seq: u64,
    /// Dropped by whoever gave up.
    found: oneshot::Sender<()>,
}

impl Waits {
    /// Returns when the index finds entry `seq` of the chain (and all before it), and at once when the index
    /// is not what answers: the ledger has the entry. At most 10 s, then 503 `not_searchable_yet`; 429 when
    /// too many wait, 422 for an entry that is not there.
    pub(crate) async fn until_visible(
        &self,
        ledger: &Ledger,
        index: &Index,
        chain: Chain,
        seq: u64,
    ) -> Result<(), ApiError> {
        let heads = ledger.heads(std::slice::from_ref(&chain)).await;
        let head = heads.map_err(unanswered)?.pop();
        if head.is_none_or(|head| head.size <= seq) {
            let message = "the partition has no such entry";
            return Err(ApiError::invalid("query.wait_for", message));
        }
        if index.get(chain.tenant).is_none() {
            return Ok(());
        }
        let visible = visible(ledger, std::slice::from_ref(&chain)).await?;
        if visible.get(&chain) > Some(&seq) || !index.answers(&chain, seq).await {
            return Ok(());
        }
        let Some(found) = self.join(ledger, chain, seq) else {
            return Err(ApiError::TooMany {
                retry_after: Duration::from_secs(1),
            });
        };
        match tokio::time::timeout(LONGEST, found).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ApiError::Unavailable {
                code: "not_searchable_yet",
                retry_after: Duration::from_secs(1),
                source: None,
            }),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, ledger: &Ledger, chain: Chain, seq: u64) -> Option<oneshot::Receiver<()>> {
        let mut waiting = self.waiting();
        waiting.leave_out_those_who_left();
        let own = waiting.tenants.get(&chain.tenant).copied().unwrap_or(0);
        if waiting.all >= MOST || own >= MOST_OF_TENANT {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        let waiter = Waiter { seq, found: sender };
        waiting.of.entry(chain).or_default().push(waiter);
        waiting.count();
        if !std::mem::replace(&mut waiting.polled, true) {
            tokio::spawn(self.clone().poll(ledger.clone()));
        }
        Some(receiver)
    }

    /// For all who wait, until nobody does. A database that does not answer leaves them waiting: each
    /// gives up by himself.
    async fn poll(self, ledger: Ledger) {
        loop {
            tokio::time::sleep(TICK).await;
            let chains: Vec<Chain> = {
                let mut waiting = self.waiting();
                waiting.leave_out_those_who_left();
                if waiting.all == 0 {
                    waiting.polled = false;
                    return;
                }
                waiting.of.keys().cloned().collect()
            };
            match visible(&ledger, &chains).await {
                Ok(visible) => self.waiting().tell(&visible),
                Err(error) => tracing::debug!(%error, "cursors of the index are not known"),
            }
        }
    }
}

impl Waiting {
    fn tell(&mut self, visible: &HashMap<Chain, u64>) {
        for (chain, waiters) in &mut self.of {
            let next = visible.get(chain).copied().unwrap_or(0);
            for waiter in waiters.extract_if(.., |waiter| waiter.seq < next) {
                let _ = waiter.found.send(());
            }
        }
        self.count();
    }

    fn leave_out_those_who_left(&mut self) {
        for waiters in self.of.values_mut() {
            waiters.retain(|waiter| !waiter.found.is_closed());
        }
        self.count();
    }

    fn count(&mut self) {
        self.of.retain(|_, waiters| !waiters.is_empty());
        self.tenants.clear();
        for (chain, waiters) in &self.of {
            *self.tenants.entry(chain.tenant).or_default() += waiters.len();
        }
        self.all = self.tenants.values().sum();
    }
}

/// The first seq that searches do not find, by chain.
async fn visible(ledger: &Ledger, chains: &[Chain]) -> Result<HashMap<Chain, u64>, ApiError> {
    let cursors = ledger.progress(VISIBLE, chains).await.map_err(unanswered)?;
    let cursors = cursors.into_iter().map(|cursor| {
        let chain = Chain {
            tenant: cursor.tenant,
            partition: cursor.partition,
        };
        (chain, cursor.next)
    });
    Ok(cursors.collect())
}
