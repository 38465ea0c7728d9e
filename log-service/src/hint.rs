//! Hints to the indexer-workers: something was appended to this chain. They spare waiting for a sweep
//! and nothing else, so an append never waits for one, and a hint that cannot be kept is dropped.

mod coming;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use queue::Queue;
use serde_json::json;
use service::{Shutdown, backoff};
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use self::coming::{Chain, Coming};

/// A call takes as many.
const AT_ONCE: usize = 10;
/// A queue answers within seconds by itself.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a stop goes on sending.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// What is to be hinted at.
#[derive(Default)]
pub(crate) struct Hints {
    coming: Mutex<Coming>,
    noted: Notify,
}

impl Hints {
    fn coming(&self) -> MutexGuard<'_, Coming> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The chain has grown. Returns at once, whatever the queue does.
    pub(crate) fn note(&self, tenant: Uuid, partition: &str) {
        if self.coming().note(tenant, partition) {
            self.noted.notify_one();
        } else {
            metrics::counter!("hints_dropped_total").increment(1);
        }
    }

    /// Sends until `shutdown`, then what is left, for a short while.
    pub(crate) async fn send(&self, queue: &dyn Queue, shutdown: &Shutdown) {
        let mut failures = 0;
        while !shutdown.begun() {
            let (chains, due) = self.take();
            if chains.is_empty() {
                tokio::select! {
                    () = shutdown.wait() => break,
                    () = self.noted.notified() => {}
                    () = until(due) => {}
                }
                continue;
            }
            if self.call(queue, chains).await {
                failures = 0;
                continue;
            }
            failures += 1;
            let pause = backoff::pause(failures, FIRST_PAUSE, LONGEST_PAUSE);
            tokio::select! {
                () = shutdown.wait() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        let rest = async {
            loop {
                let chains = self.coming().take_rest(AT_ONCE);
                if chains.is_empty() || !self.call(queue, chains).await {
                    break;
                }
            }
        };
        // What is not sent is swept.
        let _ = tokio::time::timeout(LAST_PATIENCE, rest).await;
    }

    fn take(&self) -> (Vec<Chain>, Option<Instant>) {
        let mut coming = self.coming();
        let chains = coming.take(Instant::now(), AT_ONCE);
        (chains, coming.due())
    }

    /// One call. Where it fails its chains wait for the next, each still once.
    async fn call(&self, queue: &dyn Queue, chains: Vec<Chain>) -> bool {
        let body = |(tenant, partition): &Chain| {
            let partition: &str = partition;
            json!({"tenant": tenant, "partition": partition}).to_string()
        };
        let bodies: Vec<_> = chains.iter().map(body).collect();
        let count = bodies.len() as u64;
        let error = match tokio::time::timeout(PATIENCE, queue.send(&bodies)).await {
            Ok(Ok(())) => {
                metrics::counter!("hints_sent_total").increment(count);
                return true;
            }
            Ok(Err(error)) => format!("{:#}", anyhow::Error::new(error)),
            Err(_) => "timed out".to_owned(),
        };
        metrics::counter!("hints_failed_total").increment(count);
        tracing::warn!(
            error,
            "hints are not sent; entries are indexed with the next sweep"
        );
        let mut coming = self.coming();
        for (tenant, partition) in &chains {
            coming.note(*tenant, partition);
        }
        false
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
