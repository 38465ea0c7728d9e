//! What the lanes of a process know of its chains: the head to link to, what was acknowledged, and
//! whether a chain may go on. A chain is with one lane at a time, but not always with the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chain::{Hash, Head, Stored};
use uuid::Uuid;

use super::command::{Key, Loaded, Place};

/// After a lost swap another replica is at work: this many batches read the head under its lock.
const LOCKED_BATCHES: u32 = 64;
/// Chains to remember. Beyond it the ones not used for longest are forgotten, and with them what was
/// acknowledged there.
const CHAINS: usize = 65_536;

/// Clones are of the same heads: give one to each lane of a process.
#[derive(Clone, Default)]
pub struct Heads {
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    chains: HashMap<Key, Known>,
    uses: u64,
}

#[derive(Default)]
struct Known {
    /// Where the next entry goes, as far as this lane knows; `None`: to be loaded.
    current: Option<(u32, Head)>,
    /// The last head that this lane acknowledged entries of.
    acknowledged: Option<(u32, Head)>,
    /// A later one, read back and acknowledged to someone who had posted it before. It takes the
    /// place of `acknowledged` once that is known to be there still.
    read_back: Option<(u32, Head)>,
    locked_batches: u32,
    /// The database went back behind what was acknowledged. Stays until the process ends.
    stopped: bool,
    used: u64,
}

/// What a loaded head means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loading {
    Usable,
    /// There is more to compare it with: it has to be loaded once more.
    Again,
    Missing,
    RolledBack,
}

impl Heads {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Each call leaves the table whole, so a panic elsewhere does not spoil it.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn current(&self, key: &Key) -> Option<(u32, Head)> {
        self.table().chains.get(key)?.current
    }

    pub(super) fn is_stopped(&self, key: &Key) -> bool {
        let table = self.table();
        table.chains.get(key).is_some_and(|known| known.stopped)
    }

    pub(super) fn wants_lock(&self, key: &Key) -> bool {
        let table = self.table();
        let known = table.chains.get(key);
        known.is_some_and(|known| known.locked_batches > 0)
    }

    /// The last entry acknowledged.
    pub(super) fn acknowledged(&self, key: &Key) -> Option<Place> {
        let (generation, head) = self.table().chains.get(key)?.acknowledged?;
        Some(Place {
            generation,
            seq: head.size - 1,
            received_at: head.received_at,
        })
    }

    /// Takes a head as the database has it now, if it extends what was acknowledged.
    pub(super) fn loaded(&self, key: &Key, loaded: Option<Loaded>) -> Loading {
        let mut table = self.table();
        let known = table.used(key.clone());
        known.current = None;
        let gone = known.read_back.is_some() && loaded.is_none();
        if gone
            || known
                .acknowledged
                .is_some_and(|before| !extends(before, loaded))
        {
            known.stopped = true;
        }
        if known.stopped {
            return Loading::RolledBack;
        }
        let Some(loaded) = loaded else {
            table.chains.remove(key);
            return Loading::Missing;
        };
        if let Some(read_back) = known.read_back.take() {
            known.acknowledged = Some(read_back);
            return Loading::Again;
        }
        known.current = Some((loaded.generation, loaded.head));
        table.forget_oldest();
        Loading::Usable
    }

    /// A batch was committed: its head is acknowledged from here on.
    pub(super) fn won(&self, key: &Key, generation: u32, head: Head) {
        let mut table = self.table();
        let known = table.used(key.clone());
        known.current = Some((generation, head));
        known.acknowledged = Some((generation, head));
        known.locked_batches = known.locked_batches.saturating_sub(1);
    }

    /// An entry is about to be acknowledged because its row was read back.
    pub(super) fn read_back(&self, tenant: Uuid, stored: &Stored) {
        let key = Key {
            tenant,
            partition: Arc::from(stored.partition.as_str()),
        };
        let head = Head {
            size: stored.seq + 1,
            hash: stored.hash,
            received_at: stored.received_at,
        };
        let mut table = self.table();
        let known = table.used(key);
        let later = |(generation, before): (u32, Head)| {
            (generation, before.size) < (stored.generation, head.size)
        };
        if known.acknowledged.is_none_or(later) && known.read_back.is_none_or(later) {
            known.read_back = Some((stored.generation, head));
            // A head from before must not be linked to: this entry would have gone unnoticed.
            known.current = None;
        }
    }

    /// These are about to be linked to: what is read beside them must not push them out.
    pub(super) fn touch<'a>(&self, keys: impl Iterator<Item = &'a Key>) {
        let mut table = self.table();
        table.uses += 1;
        let uses = table.uses;
        for key in keys {
            if let Some(known) = table.chains.get_mut(key) {
                known.used = uses;
            }
        }
    }

    /// A lock that is not to be had: the compare-and-swap needs none, so it goes on without.
    pub(super) fn without_lock<'a>(&self, keys: impl Iterator<Item = &'a Key>) {
        let mut table = self.table();
        for key in keys {
            if let Some(known) = table.chains.get_mut(key) {
                known.locked_batches = 0;
            }
        }
    }

    /// Another replica was faster.
    pub(super) fn lost(&self, key: &Key) {
        let mut table = self.table();
        let known = table.chains.entry(key.clone()).or_default();
        known.current = None;
        known.locked_batches = LOCKED_BATCHES;
    }

    /// A connection is gone: every head may have moved, for another lane's chains as well if it was the
    /// database that went.
    pub(super) fn unload(&self) {
        for known in self.table().chains.values_mut() {
            known.current = None;
        }
    }
}

impl Table {
    fn used(&mut self, key: Key) -> &mut Known {
        self.uses += 1;
        let known = self.chains.entry(key).or_default();
        known.used = self.uses;
        known
    }

    fn forget_oldest(&mut self) {
        if self.chains.len() <= CHAINS {
            return;
        }
        let mut uses: Vec<u64> = self.chains.values().map(|known| known.used).collect();
        let middle = uses.len() / 2;
        let (_, &mut median, _) = uses.select_nth_unstable(middle);
        self.chains
            .retain(|_, known| known.stopped || known.used >= median);
    }
}

/// Whether a chain still contains what was acknowledged. A later generation is an operator's decision.
fn extends((generation, before): (u32, Head), loaded: Option<Loaded>) -> bool {
    let Some(loaded) = loaded else { return false };
    if loaded.generation != generation {
        return loaded.generation > generation;
    }
    let there: Option<Hash> = if loaded.head.size == before.size {
        Some(loaded.head.hash)
    } else {
        loaded.acknowledged
    };
    loaded.head.size >= before.size && there == Some(before.hash)
}
