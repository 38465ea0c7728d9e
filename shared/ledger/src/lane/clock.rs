//! The database's clock, as far as a lane can know it from its replies.

use std::time::Duration;

use chain::Timestamp;

use super::command::Now;

/// A lane further away from the database than this refuses to append.
pub const MAX_SKEW: Duration = Duration::from_secs(5);
/// A measurement older than this is taken again before anything is linked.
const FRESH: Duration = Duration::from_secs(5);

/// Offset between this host's clock and the database's.
#[derive(Debug, Default)]
pub(super) struct Clock {
    offset: i64,
    measured: Option<Duration>,
}

impl Clock {
    /// The database read its clock somewhere between `sent` and `now`, so the offset is known up to
    /// the time the statement took; within that, the old one stays.
    pub(super) fn measure(&mut self, sent: Now, now: Now, database: Timestamp) {
        let at_sending = database.as_micros() - sent.wall;
        let at_reply = database.as_micros() - now.wall;
        let (low, high) = (at_reply.min(at_sending), at_reply.max(at_sending));
        self.offset = self.offset.clamp(low, high);
        self.measured = Some(now.steady);
    }

    pub(super) fn is_fresh(&self, now: Now) -> bool {
        self.measured
            .is_some_and(|at| now.steady.saturating_sub(at) <= FRESH)
    }

    pub(super) fn is_skewed(&self) -> bool {
        u128::from(self.offset.unsigned_abs()) > MAX_SKEW.as_micros()
    }

    /// The database's time; `None` outside the years that the format knows.
    pub(super) fn database(&self, now: Now) -> Option<Timestamp> {
        Timestamp::from_micros(now.wall.checked_add(self.offset)?)
    }
}
