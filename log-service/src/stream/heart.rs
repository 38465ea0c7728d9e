//! Signs of life for readers to whom nothing else comes, and whether what they have is all there is:
//! also while an answer of the ledger is waited for.

use std::pin::pin;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep_until, timeout};

use super::tails::Tails;

/// A statement that takes longer has lost its connection.
const PATIENCE: Duration = Duration::from_secs(12);
/// When nothing could be read for so long, readers are told that they may be behind.
const LIVE: Duration = Duration::from_secs(2);
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) struct Heart {
    read_at: Instant,
    beat_at: Instant,
}

impl Heart {
    /// For readers who come now.
    pub(super) fn start() -> Self {
        let now = Instant::now();
        Self {
            read_at: now,
            beat_at: now + HEARTBEAT,
        }
    }

    /// The heads were looked at, and what the chains have grown by was read.
    pub(super) fn has_read(&mut self) {
        self.read_at = Instant::now();
    }

    /// Where it is time.
    pub(super) fn beat(&mut self, tails: &Tails) {
        let now = Instant::now();
        if now < self.beat_at {
            return;
        }
        self.beat_at = now + HEARTBEAT;
        let live = now - self.read_at < LIVE;
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

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::stream::room::Room;

    #[tokio::test(start_paused = true)]
    async fn it_beats_while_an_answer_is_waited_for() {
        let tails = Tails::new(Room::default());
        let mut heart = Heart::start();
        let began = Instant::now();
        for _ in 0..2 {
            let answer: Result<(), _> = heart.until(&tails, pending()).await;
            assert!(answer.is_err());
        }
        let waited = began.elapsed();
        assert!((PATIENCE * 2..PATIENCE * 2 + LIVE).contains(&waited));
        // The last one was in the middle of the second wait, not after it.
        let next = heart.beat_at.duration_since(began);
        assert!((HEARTBEAT * 2..HEARTBEAT * 2 + LIVE).contains(&next));
    }
}
