//! Whether somebody is still at the other end of a socket. Who is does not say so when his machine is gone, so he is
//! asked from time to time.

use std::time::Duration;

use tokio::time::Instant;

const PING: Duration = Duration::from_secs(20);
/// A client answers pings; one that does not for so long is gone.
const GONE: Duration = Duration::from_secs(70);

pub(super) struct Life {
    heard_at: Instant,
    pub(super) ping_at: Instant,
}

impl Life {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            heard_at: now,
            ping_at: now + PING,
        }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    pub(super) fn pinged(&mut self, now: Instant) {
        self.ping_at = now + PING;
    }

    /// Something was sent and taken, which took so long. An answer of one who takes little waits behind what he has not
    /// read yet, so this time is no silence; one who takes nothing at all is cut off by the connection.
    pub(super) fn took(&mut self, time: Duration) {
        self.heard_at += time;
    }

    pub(super) fn is_gone(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard_at) > GONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_what_counts_and_not_a_slow_reader() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut life = Life::new(start);
        assert_eq!(life.ping_at, at(20));
        assert!(!life.is_gone(at(70)));
        assert!(life.is_gone(at(71)));
        // Three portions in 75 seconds, behind which his answers wait.
        for _ in 0..3 {
            life.took(Duration::from_secs(25));
        }
        assert!(!life.is_gone(at(80)));
        life.heard(at(80));
        life.pinged(at(80));
        assert_eq!(life.ping_at, at(100));
        assert!(!life.is_gone(at(150)));
        assert!(life.is_gone(at(151)));
    }
}
