//! What waits for a turn, in which order. No clock, no task: time is an argument.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

use super::{Settings, Turn};
use crate::backoff;

/// When somebody else is at it.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// First come, first served; each thing once. What failed waits beside the line: it takes no room there, and half of the
/// turns at most.
pub(super) struct Line<K> {
    settings: Settings,
    ready: VecDeque<K>,
    /// Somebody else is at it.
    taken: Resting<K>,
    failed: Resting<K>,
    known: HashMap<K, Known>,
    /// Turns under way of what failed before.
    retries: usize,
    /// The last turn was given to what failed before.
    retried: bool,
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

/// By the end of their rest; the number tells equal ends apart.
struct Resting<K> {
    of: BTreeMap<(Instant, u64), K>,
    number: u64,
}

impl<K> Resting<K> {
    fn new() -> Self {
        Self {
            of: BTreeMap::new(),
            number: 0,
        }
    }

    fn add(&mut self, key: K, until: Instant) {
        self.number += 1;
        self.of.insert((until, self.number), key);
    }

    fn due(&self) -> Option<Instant> {
        self.of.first_key_value().map(|((due, _), _)| *due)
    }

    /// One whose rest has ended.
    fn next(&mut self, now: Instant) -> Option<K> {
        self.due().filter(|due| *due <= now)?;
        self.of.pop_first().map(|(_, key)| key)
    }
}

impl<K: Clone + Eq + Hash> Line<K> {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            ready: VecDeque::new(),
            taken: Resting::new(),
            failed: Resting::new(),
            known: HashMap::new(),
            retries: 0,
            retried: false,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.known.len() - self.resting() < self.settings.waiting.max(1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn add(&mut self, key: K) {
        match self.known.get_mut(&key) {
            Some(known) if known.place == Place::Working => known.place = Place::WorkingAndWanted,
            Some(_) => {}
            None => self.set_ready(key),
        }
    }

    /// The next turn's. It must be given to [`Line::ended`] or [`Line::failed`] afterwards.
    pub(super) fn next(&mut self, now: Instant) -> Option<K> {
        while let Some(key) = self.taken.next(now) {
            self.set_ready(key);
        }
        let retry = self.next_retry(now);
        self.retried = retry.is_some();
        let key = retry.or_else(|| self.ready.pop_front())?;
        if let Some(known) = self.known.get_mut(&key) {
            known.place = Place::Working;
        }
        Some(key)
    }

    /// A turn that fails may take long, so others come in between.
    fn next_retry(&mut self, now: Instant) -> Option<K> {
        if !self.may_retry() || (self.retried && !self.ready.is_empty()) {
            return None;
        }
        let key = self.failed.next(now)?;
        self.retries += 1;
        Some(key)
    }

    fn may_retry(&self) -> bool {
        self.retries < (self.settings.at_once / 2).max(1)
    }

    /// When the next rest ends after which there could be a turn.
    pub(super) fn due(&self) -> Option<Instant> {
        let failed = self.failed.due().filter(|_| self.may_retry());
        self.taken.due().into_iter().chain(failed).min()
    }

    pub(super) fn ended(&mut self, key: K, turn: Turn, now: Instant) {
        let (wanted, _) = self.end(&key);
        match turn {
            Turn::Done if !wanted => {
                self.known.remove(&key);
            }
            Turn::Done | Turn::More => self.set_ready(key),
            Turn::Taken => {
                if self.set_resting(&key, 0) {
                    self.taken.add(key, now + LOOK_AGAIN);
                }
            }
        }
    }

    pub(super) fn failed(&mut self, key: K, now: Instant) {
        let (_, failures) = self.end(&key);
        let failures = failures.saturating_add(1);
        let pause = backoff::pause(failures, self.settings.pause, self.settings.longest_pause);
        if self.set_resting(&key, failures) {
            self.failed.add(key, now + pause);
        }
    }

    /// Whether it came again during its turn, and how often it had failed before.
    fn end(&mut self, key: &K) -> (bool, u32) {
        let known = self.known.get(key);
        let (place, failures) = known.map_or((Place::Working, 0), |k| (k.place, k.failures));
        if failures > 0 {
            self.retries = self.retries.saturating_sub(1);
        }
        (place == Place::WorkingAndWanted, failures)
    }

    fn resting(&self) -> usize {
        self.taken.of.len() + self.failed.of.len()
    }

    fn set_ready(&mut self, key: K) {
        let (place, failures) = (Place::Ready, 0);
        self.known.insert(key.clone(), Known { place, failures });
        self.ready.push_back(key);
    }

    /// `false`: too many rest, and it is forgotten until somebody tells of it again.
    fn set_resting(&mut self, key: &K, failures: u32) -> bool {
        if self.resting() >= self.settings.resting {
            self.known.remove(key);
            return false;
        }
        let place = Place::Resting;
        self.known.insert(key.clone(), Known { place, failures });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        at_once: 2,
        waiting: 3,
        resting: 4,
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

    #[test]
    fn what_rests_takes_no_room_and_beyond_its_bound_is_forgotten() {
        let now = Instant::now();
        let mut line = Line::new(SETTINGS);
        for key in 0..6 {
            assert!(line.has_room());
            line.add(key);
            assert_eq!(line.next(now), Some(key));
            match key % 2 {
                0 => line.failed(key, now),
                _ => line.ended(key, Turn::Taken, now),
            }
        }
        let later = now + Duration::from_secs(1);
        let mut known: Vec<_> = std::iter::from_fn(|| {
            let key = line.next(later)?;
            line.ended(key, Turn::Done, later);
            Some(key)
        })
        .collect();
        known.sort_unstable();
        assert_eq!(known, [0, 1, 2, 3]);
        assert!(line.is_empty());
        line.add(5);
        assert_eq!(line.next(later), Some(5), "it is told of again");
    }

    #[test]
    fn what_failed_has_half_of_the_turns_and_no_two_in_a_row() {
        let now = Instant::now();
        let mut line = Line::new(Settings {
            at_once: 4,
            ..SETTINGS
        });
        for key in ["bad 1", "bad 2", "bad 3"] {
            line.add(key);
            assert_eq!(line.next(now), Some(key));
            line.failed(key, now);
        }
        let later = now + Duration::from_secs(1);
        for key in ["good 1", "good 2"] {
            line.add(key);
        }
        let failed = |key: Option<&str>| key.is_some_and(|key| key.starts_with("bad"));
        let first = line.next(later);
        assert!(failed(first));
        assert_eq!(line.next(later), Some("good 1"));
        assert!(failed(line.next(later)));
        assert_eq!(line.next(later), Some("good 2"));
        assert_eq!(line.next(later), None, "the last one waits");
        assert_eq!(line.due(), None, "until a turn of the others has ended");
        line.failed(first.unwrap(), later);
        assert!(line.due().is_some_and(|due| due <= later));
        assert!(failed(line.next(later)));
    }
}
