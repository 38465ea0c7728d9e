//! What waits for a turn, in which order. No clock, no task: time is an argument.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

use super::{Settings, Turn};
use crate::backoff;

/// When somebody else is at it.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// First come, first served; each thing once.
pub(super) struct Line<K> {
    settings: Settings,
    ready: VecDeque<K>,
    /// By the end of their rest; the number tells equal ends apart.
    resting: BTreeSet<(Instant, u64)>,
    of: HashMap<u64, K>,
    known: HashMap<K, Known>,
    number: u64,
}

struct Known {
    place: Place,
    /// In a row.
    failures: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Ready,
    Resting,
    Working,
    /// It came again meanwhile.
    WorkingAndWanted,
}

impl<K: Clone + Eq + Hash> Line<K> {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            ready: VecDeque::new(),
            resting: BTreeSet::new(),
            of: HashMap::new(),
            known: HashMap::new(),
            number: 0,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.known.len() < self.settings.waiting.max(1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn add(&mut self, key: K) {
        match self.known.get_mut(&key) {
            Some(known) if known.place == Place::Working => known.place = Place::WorkingAndWanted,
            Some(_) => {}
            None => self.set_ready(key, 0),
        }
    }

    /// The next turn's. It must be given to [`Line::ended`] or [`Line::failed`] afterwards.
    pub(super) fn next(&mut self, now: Instant) -> Option<K> {
        while let Some(&(due, number)) = self.resting.first()
            && due <= now
        {
            self.resting.pop_first();
            if let Some(key) = self.of.remove(&number) {
                let failures = self.known.get(&key).map_or(0, |known| known.failures);
                self.set_ready(key, failures);
            }
        }
        let key = self.ready.pop_front()?;
        if let Some(known) = self.known.get_mut(&key) {
            known.place = Place::Working;
        }
        Some(key)
    }

    /// When the next rest ends.
    pub(super) fn due(&self) -> Option<Instant> {
        self.resting.first().map(|(due, _)| *due)
    }

    pub(super) fn ended(&mut self, key: K, turn: Turn, now: Instant) {
        let wanted = self.place(&key) == Some(Place::WorkingAndWanted);
        match turn {
            Turn::Done if !wanted => {
                self.known.remove(&key);
            }
            Turn::Done | Turn::More => self.set_ready(key, 0),
            Turn::Taken => self.set_resting(key, 0, now + LOOK_AGAIN),
        }
    }

    pub(super) fn failed(&mut self, key: K, now: Instant) {
        let failures = self.known.get(&key).map_or(0, |known| known.failures);
        let failures = failures.saturating_add(1);
        let pause = backoff::pause(failures, self.settings.pause, self.settings.longest_pause);
        self.set_resting(key, failures, now + pause);
    }

    fn place(&self, key: &K) -> Option<Place> {
        self.known.get(key).map(|known| known.place)
    }

    fn set_ready(&mut self, key: K, failures: u32) {
        let place = Place::Ready;
        self.known.insert(key.clone(), Known { place, failures });
        self.ready.push_back(key);
    }

    fn set_resting(&mut self, key: K, failures: u32, until: Instant) {
        let place = Place::Resting;
        self.known.insert(key.clone(), Known { place, failures });
        self.number += 1;
        self.resting.insert((until, self.number));
        self.of.insert(self.number, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        at_once: 2,
        waiting: 3,
        pause: Duration::from_secs(1),
        longest_pause: Duration::from_secs(8),
    };

    #[test]
    fn each_thing_waits_once_and_comes_again_when_it_was_wanted_meanwhile() {
        let now = Instant::now();
        let mut line = Line::new(SETTINGS);
        for key in ["a", "b", "a", "b"] {
            line.add(key);
        }
        assert_eq!(line.next(now), Some("a"));
        assert_eq!(line.next(now), Some("b"));
        assert_eq!(line.next(now), None);
        line.add("a");
        line.add("a");
        line.ended("b", Turn::Done, now);
        line.ended("a", Turn::Done, now);
        assert_eq!(line.next(now), Some("a"));
        line.ended("a", Turn::Done, now);
        assert!(line.is_empty());
    }

    #[test]
    fn one_with_much_to_do_lets_the_others_go_first() {
        let now = Instant::now();
        let mut line = Line::new(SETTINGS);
        line.add("long");
        assert_eq!(line.next(now), Some("long"));
        line.add("short");
        line.ended("long", Turn::More, now);
        assert_eq!(line.next(now), Some("short"));
        assert_eq!(line.next(now), Some("long"));
    }

    #[test]
    fn failures_rest_longer_each_time_and_success_forgets_them() {
        let mut now = Instant::now();
        let mut line = Line::new(SETTINGS);
        line.add("a");
        for most in [1, 2, 4, 8, 8] {
            let most = Duration::from_secs(most);
            assert_eq!(line.next(now), Some("a"));
            line.failed("a", now);
            line.add("a");
            let due = line.due().unwrap();
            assert!(due - now >= most / 2 && due - now <= most);
            assert_eq!(
                line.next(due.checked_sub(Duration::from_millis(1)).unwrap()),
                None
            );
            now = due;
        }
        assert_eq!(line.next(now), Some("a"));
        line.ended("a", Turn::More, now);
        assert_eq!(line.next(now), Some("a"));
        line.failed("a", now);
        assert!(line.due().unwrap() - now <= Duration::from_secs(1));
    }

    #[test]
    fn what_somebody_else_works_on_is_looked_at_again() {
        let now = Instant::now();
        let mut line = Line::new(SETTINGS);
        line.add("a");
        assert_eq!(line.next(now), Some("a"));
        line.ended("a", Turn::Taken, now);
        assert_eq!(line.next(now), None);
        assert_eq!(line.next(now + LOOK_AGAIN), Some("a"));
    }

    #[test]
    fn the_room_is_bounded() {
        let mut line = Line::new(SETTINGS);
        for key in 0..3 {
            assert!(line.has_room());
            line.add(key);
        }
        assert!(!line.has_room());
    }
}
