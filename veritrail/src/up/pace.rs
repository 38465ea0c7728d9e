//! How the indexer of the one process gives way: while many entries are appended it rests longer than it works, and
//! falls behind. What is appended must not wait for the index; the index catches up when there is less to do.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use search::Busy;

/// Entries a second from which on it gives way.
const MANY: u128 = 4_000;
/// Rest for each part of work.
const RESTS: u32 = 3;
/// Between two looks at how many there are.
const LOOK: Duration = Duration::from_millis(200);
/// However long a bulk took.
const LONGEST: Duration = Duration::from_secs(2);

/// How busy the appends are, seen from time to time.
pub(super) struct Pace {
    seen: Mutex<Seen>,
    busy: Busy,
}

struct Seen {
    at: Instant,
    appended: u64,
    many: bool,
}

impl Pace {
    /// `busy` is told to whoever else can wait.
    pub(super) fn new(now: Instant, appended: u64, busy: Busy) -> Self {
        let seen = Seen {
            at: now,
            appended,
            many: false,
        };
        Self {
            seen: Mutex::new(seen),
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
                many: more * 1_000 >= MANY * passed.as_millis(),
            };
            self.busy.set(seen.many);
        }
        if seen.many {
            (worked * RESTS).min(LONGEST)
        } else {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_while_many_entries_come_and_not_after() {
        let start = Instant::now();
        let pace = Pace::new(start, 0, Busy::default());
        let worked = Duration::from_millis(100);
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(
            pace.rest(at(100), 2_000, worked),
            Duration::ZERO,
            "too soon to tell"
        );
        assert_eq!(pace.rest(at(1_000), 4_000, worked), worked * RESTS);
        assert_eq!(
            pace.rest(at(1_100), 4_000, worked),
            worked * RESTS,
            "as was seen last"
        );
        assert_eq!(
            pace.rest(at(2_000), 7_999, worked),
            Duration::ZERO,
            "few enough"
        );
        assert_eq!(pace.rest(at(3_000), 90_000, LONGEST), LONGEST);
        assert_eq!(
            pace.rest(at(9_000), 90_000, worked),
            Duration::ZERO,
            "it is over"
        );
    }
}
