//! Which lane a request goes to. A chain with a request under way stays where that is, so that its
//! statements never compete within a process; otherwise the first lane that is not busy takes it, and what
//! is large goes to the last one. Few lanes at work mean large group commits, and while a lane is free a
//! tenant's single entries do not begin where another's thousands are about to come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::driver::Submission;
use crate::lane::Key;

/// Entries under way in a lane from which on other chains go to the next one: about what a statement
/// carries when many single requests come at once.
const BUSY: usize = 256;

/// Entries of a request whose statement takes several times as long as that of one entry.
const LARGE: usize = 64;

pub(crate) struct Lanes {
    senders: Vec<mpsc::Sender<Submission>>,
    places: Arc<Mutex<Places>>,
}

#[derive(Default)]
struct Places {
    /// Chains with requests under way: their lane, and how many.
    chains: HashMap<Key, (usize, usize)>,
    /// Entries under way, by lane.
    entries: Vec<usize>,
}

/// A request's place in a lane, given up when it is answered.
pub(crate) struct Place {
    places: Arc<Mutex<Places>>,
    key: Key,
    lane: usize,
    entries: usize,
}

/// Why a lane does not take a request.
pub(crate) enum Refused {
    Full,
    Stopped,
}

impl Lanes {
    pub(crate) fn new(senders: Vec<mpsc::Sender<Submission>>) -> Self {
        let entries = vec![0; senders.len()];
        let places = Places {
            entries,
            ..Places::default()
        };
        Self {
            senders,
            places: Arc::new(Mutex::new(places)),
        }
    }

    /// Whether this is the ledger of somebody who only reads.
    pub(crate) fn are_none(&self) -> bool {
        self.senders.is_empty()
    }

    pub(crate) fn are_running(&self) -> bool {
        !self.senders.iter().any(mpsc::Sender::is_closed)
    }

    /// Sends a request of so many entries to the lane of its chain, which may have no room for it.
    pub(crate) fn send(
        &self,
        key: Key,
        entries: usize,
        submission: impl FnOnce(Place) -> Submission,
    ) -> Result<(), Refused> {
        let lane = lock(&self.places).take(&key, entries);
        let place = Place {
            places: Arc::clone(&self.places),
            key,
            lane,
            entries,
        };
        let sent = self.senders[lane].try_send(submission(place));
        sent.map_err(|error| match error {
            TrySendError::Full(_) => Refused::Full,
            TrySendError::Closed(_) => Refused::Stopped,
        })
    }
}

impl Places {
    fn take(&mut self, key: &Key, entries: usize) -> usize {
        let lane = if let Some((lane, requests)) = self.chains.get_mut(key) {
            *requests += 1;
            *lane
        } else {
            let mut lanes = self.entries.iter();
            let is_free = |under_way: &usize| *under_way < BUSY;
            let free = if entries < LARGE {
                lanes.position(is_free)
            } else {
                lanes.rposition(is_free)
            };
            let least = (0..self.entries.len()).min_by_key(|&lane| self.entries[lane]);
            let lane = free.or(least).unwrap_or_default();
            self.chains.insert(key.clone(), (lane, 1));
            lane
        };
        self.entries[lane] += entries;
        lane
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = lock(&self.places);
        places.entries[self.lane] -= self.entries;
        if let Some((_, requests)) = places.chains.get_mut(&self.key) {
            *requests -= 1;
            if *requests == 0 {
                places.chains.remove(&self.key);
            }
        }
    }
}

fn lock(places: &Mutex<Places>) -> MutexGuard<'_, Places> {
    // Both sides keep it whole, so a panic elsewhere does not spoil it.
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::{BUSY, LARGE, Places};
    use crate::lane::Key;

    fn key(tenant: u128) -> Key {
        Key {
            tenant: Uuid::from_u128(tenant),
            partition: Arc::from("default"),
        }
    }

    fn lanes(count: usize) -> Places {
        Places {
            entries: vec![0; count],
            ..Places::default()
        }
    }

    #[test]
    fn a_chain_stays_and_others_make_room() {
        let mut places = lanes(3);
        assert_eq!(places.take(&key(1), 1), 0);
        assert_eq!(
            places.take(&key(1), BUSY),
            0,
            "the chain is under way there"
        );
        assert_eq!(places.take(&key(2), 1), 1, "the first lane is busy");
        assert_eq!(places.take(&key(3), 1), 1, "what is not busy is shared");
        assert_eq!(
            places.take(&key(4), 3_000),
            2,
            "what is large goes to the last"
        );
        assert_eq!(places.take(&key(5), 1_000), 1, "the last is busy");
        assert_eq!(places.take(&key(6), 1), 0, "all are busy: the least");
        assert_eq!(places.take(&key(4), 1), 2, "a chain stays, whatever comes");
    }

    #[test]
    fn what_is_small_and_what_is_large_begin_apart() {
        let mut places = lanes(2);
        assert_eq!(places.take(&key(1), 1), 0);
        assert_eq!(places.take(&key(2), LARGE), 1, "also where nothing is busy");
        assert_eq!(places.take(&key(1), 1), 0);
        assert_eq!(places.take(&key(3), LARGE - 1), 0);
    }
}
