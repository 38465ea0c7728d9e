//! How the indexer of the one process gives way: while many entries are appended it rests as long as it works, or longer,
//! and may fall behind. What is appended must not wait for the index; the index catches up when there is less to do.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use search::Busy;

/// From so many entries a second and core on it rests so many times as long as it worked. At the highest rate it falls
/// behind whatever it does, and what it does then only makes appends slower. A slow core is at its limit with 4,500, a
/// fast one with 16,000. At the lowest it would keep up, but in as many small writes as there are tenants who append, each of
/// which costs it a segment: a rest lets them grow.
const RESTS: [(u128, u32); 4] = [(3_000, 31), (2_000, 7), (750, 3), (250, 1)];
/// Between two looks at how many there are.
const LOOK: Duration = Duration::from_millis(200);
/// However long a bulk took.
const LONGEST: Duration = Duration::from_secs(2);

/// How busy the appends are, seen from time to time.
pub(super) struct Pace {
    seen: Mutex<Seen>,
    cores: u128,
    busy: Busy,
}

struct Seen {
    at: Instant,
    appended: u64,
    /// Rest for each part of work.
    rests: u32,
}

impl Pace {
    /// `busy` is told to whoever else can wait.
    pub(super) fn new(now: Instant, appended: u64, cores: usize, busy: Busy) -> Self {
        let seen = Seen {
            at: now,
            appended,
            rests: 0,
        };
        Self {
            seen: Mutex::new(seen),
            cores: cores.max(1) as u128,
            busy,
        }
    }

    /// How long to rest after `worked`, when `appended` entries were acknowledged so far.
    pub(super) fn rest(&self, now: Instant, appended: u64, worked: Duration) -> Duration {
        // Whole between any two statements, so a panic elsewhere does not spoil it.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(seen.at);
        if passed >= LOOK {
            let more = u128::from(appended.saturating_sub(seen.appended));
            *seen = Seen {
                at: now,
                appended,
                rests: rests(more * 1_000 / passed.as_millis() / self.cores),
            };
            self.busy.set(seen.rests > 0);
        }
        (worked * seen.rests).min(LONGEST)
    }
}

/// For so many entries a second and core.
fn rests(rate: u128) -> u32 {
    let rests = RESTS.iter().find(|(from, _)| rate >= *from);
    rests.map_or(0, |(_, rests)| *rests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_while_many_entries_come_and_not_after() {
        let start = Instant::now();
        let pace = Pace::new(start, 0, 2, Busy::default());
        let worked = Duration::from_millis(100);
        let at = |millis| start + Duration::from_millis(millis);
        let rest = |millis, appended, worked| pace.rest(at(millis), appended, worked);
        assert_eq!(rest(100, 2_000, worked), Duration::ZERO, "too soon to tell");
        assert_eq!(rest(1_000, 4_000, worked), worked * 7);
        assert_eq!(rest(1_100, 4_000, worked), worked * 7, "as was seen last");
        assert_eq!(rest(2_000, 7_999, worked), worked * 3, "not quite as many");
        assert_eq!(rest(3_000, 8_498, worked), Duration::ZERO, "few enough");
        assert_eq!(rest(4_000, 14_498, worked / 2), worked / 2 * 31);
        assert_eq!(rest(4_100, 14_498, worked), LONGEST);
        assert_eq!(rest(9_000, 14_498, worked), Duration::ZERO, "it is over");
    }
}
