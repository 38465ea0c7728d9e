//! Signs of life for readers to whom nothing else comes, and whether what they have is all there is:
//! also while an answer of the ledger is waited for.

use std::pin::pin;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep_until, timeout};

use super::tails::Tails;

/// A statement that takes longer has lost its connection.
const PATIENCE: Duration = Duration::from_secs(12);
/// Without a look at the heads for so long, readers are told that they may be behind.
const LIVE: Duration = Duration::from_secs(2);
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) struct Heart {
    looked_at: Instant,
    beat_at: Instant,
}

impl Heart {
    /// For readers who come now.
    pub(super) fn start() -> Self {
        let now = Instant::now();
        Self {
            looked_at: now,
            beat_at: now + HEARTBEAT,
        }
    }

    /// The heads were looked at.
    pub(super) fn looked(&mut self) {
        self.looked_at = Instant::now();
    }

    /// Where it is time.
    pub(super) fn beat(&mut self, tails: &Tails) {
        let now = Instant::now();
        if now < self.beat_at {
            return;
        }
        self.beat_at = now + HEARTBEAT;
        let live = now - self.looked_at < LIVE;
        for followed in tails.all() {
            followed.beat(live);
        }
    }

    /// The answer of the ledger, if it comes in time.
    pub(super) async fn until<T>(
        &mut self,
        tails: &Tails,
        answer: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        let mut answer = pin!(timeout(PATIENCE, answer));
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                () = sleep_until(self.beat_at) => self.beat(tails),
            }
        }
    }
}
