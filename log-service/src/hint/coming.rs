//! Which chains are to be hinted at, and when: each at once, and then not again for a while. No
//! clock, no task: time is an argument.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// From one hint of a chain to the next.
const QUIET: Duration = Duration::from_millis(500);
/// Chains held; those beyond are not hinted at.
const MOST: usize = 8_192;

pub(super) type Chain = (Uuid, Arc<str>);

#[derive(Default)]
pub(super) struct Coming {
    of: HashMap<Uuid, HashMap<Arc<str>, Place>>,
    /// Of all tenants.
    chains: usize,
    fresh: VecDeque<Chain>,
    /// By the end of their quiet time, which is as long for each.
    quiet: VecDeque<(Instant, Chain)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Fresh,
    Quiet,
    /// It has grown since it was hinted at.
    QuietAndGrown,
}

impl Coming {
    /// `false` when there is no room for another chain.
    pub(super) fn note(&mut self, tenant: Uuid, partition: &str) -> bool {
        let known = self.of.get_mut(&tenant);
        if let Some(place) = known.and_then(|chains| chains.get_mut(partition)) {
            if *place == Place::Quiet {
                *place = Place::QuietAndGrown;
            }
            return true;
        }
        if self.chains >= MOST {
            return false;
        }
        let partition: Arc<str> = Arc::from(partition);
        let chains = self.of.entry(tenant).or_default();
        chains.insert(Arc::clone(&partition), Place::Fresh);
        self.chains += 1;
        self.fresh.push_back((tenant, partition));
        true
    }

    /// Up to `most` chains whose turn it is.
    pub(super) fn take(&mut self, now: Instant, most: usize) -> Vec<Chain> {
        while let Some((due, _)) = self.quiet.front()
            && *due <= now
        {
            let Some((_, chain)) = self.quiet.pop_front() else {
                break;
            };
            self.wake(chain);
        }
        let count = most.min(self.fresh.len());
        let taken: Vec<Chain> = self.fresh.drain(..count).collect();
        for chain in &taken {
            self.set(chain, Place::Quiet);
            self.quiet.push_back((now + QUIET, chain.clone()));
        }
        taken
    }

    /// Whatever has grown, whether or not it was hinted at a moment ago; nothing is remembered of it.
    pub(super) fn take_rest(&mut self, most: usize) -> Vec<Chain> {
        while let Some((_, chain)) = self.quiet.pop_front() {
            self.wake(chain);
        }
        let count = most.min(self.fresh.len());
        let taken: Vec<Chain> = self.fresh.drain(..count).collect();
        for chain in &taken {
            self.forget(chain);
        }
        taken
    }

    /// When the next chain's turn may be, while none is now.
    pub(super) fn due(&self) -> Option<Instant> {
        self.quiet.front().map(|(due, _)| *due)
    }

    fn wake(&mut self, chain: Chain) {
        let place = self.of.get(&chain.0).and_then(|of| of.get(&chain.1));
        if place == Some(&Place::QuietAndGrown) {
            self.set(&chain, Place::Fresh);
            self.fresh.push_back(chain);
        } else {
            self.forget(&chain);
        }
    }

    fn set(&mut self, (tenant, partition): &Chain, to: Place) {
        let chains = self.of.get_mut(tenant);
        if let Some(place) = chains.and_then(|chains| chains.get_mut(partition)) {
            *place = to;
        }
    }

    fn forget(&mut self, (tenant, partition): &Chain) {
        if let Some(chains) = self.of.get_mut(tenant) {
            self.chains -= usize::from(chains.remove(partition).is_some());
            if chains.is_empty() {
                self.of.remove(tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(chains: &[Chain]) -> Vec<&str> {
        chains.iter().map(|(_, partition)| &**partition).collect()
    }

    #[test]
    fn a_chain_is_hinted_at_once_and_again_after_a_while() {
        let (tenant, start) = (Uuid::from_u128(1), Instant::now());
        let mut coming = Coming::default();
        for _ in 0..1_000 {
            assert!(coming.note(tenant, "default"));
        }
        assert_eq!(names(&coming.take(start, 10)), ["default"]);
        assert!(coming.take(start, 10).is_empty());
        for _ in 0..1_000 {
            coming.note(tenant, "default");
        }
        assert!(coming.take(start + QUIET / 2, 10).is_empty());
        assert_eq!(coming.due(), Some(start + QUIET));
        assert_eq!(names(&coming.take(start + QUIET, 10)), ["default"]);
        // Nothing came since: the chain is forgotten.
        assert!(coming.take(start + QUIET * 2, 10).is_empty());
        assert!(coming.of.is_empty() && coming.chains == 0 && coming.due().is_none());
    }

    #[test]
    fn chains_are_told_apart_and_taken_ten_at_a_time() {
        let start = Instant::now();
        let mut coming = Coming::default();
        for tenant in 0..6 {
            coming.note(Uuid::from_u128(tenant), "a");
            coming.note(Uuid::from_u128(tenant), "b");
        }
        assert_eq!(coming.take(start, 10).len(), 10);
        assert_eq!(coming.take(start, 10).len(), 2);
    }

    #[test]
    fn the_room_is_bounded_and_is_given_back() {
        let start = Instant::now();
        let mut coming = Coming::default();
        for tenant in 0..MOST as u128 {
            assert!(coming.note(Uuid::from_u128(tenant), "default"));
        }
        assert!(!coming.note(Uuid::max(), "default"));
        assert!(coming.note(Uuid::from_u128(0), "default"));
        coming.take(start, MOST);
        coming.take(start + QUIET, MOST);
        assert!(coming.note(Uuid::max(), "default"));
    }

    #[test]
    fn a_stop_takes_what_has_grown() {
        let (tenant, start) = (Uuid::from_u128(1), Instant::now());
        let mut coming = Coming::default();
        for name in ["sent", "grown"] {
            coming.note(tenant, name);
        }
        coming.take(start, 10);
        for name in ["grown", "fresh"] {
            coming.note(tenant, name);
        }
        let mut rest = coming.take_rest(10);
        rest.sort();
        assert_eq!(names(&rest), ["fresh", "grown"]);
        assert!(coming.take_rest(10).is_empty() && coming.of.is_empty());
    }
}
