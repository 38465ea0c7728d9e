//! Hints that there is a job. They only wake the worker: what it does stands in the job table, so a
//! hint is done with as soon as it was read, and a lost one costs a few seconds. A worker that has no
//! room leaves them to others.

use std::time::Duration;

use export::Hint;
use queue::Queue;
use service::{Shutdown, backoff};

use crate::State;
use crate::take::Wake;

const AT_ONCE: usize = 10;
const WAIT: Duration = Duration::from_secs(20);
/// Reading hints takes milliseconds.
const LEASE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Until `shutdown`; without a queue there is nothing to do.
pub(crate) async fn run(state: &State, wake: &Wake, shutdown: &Shutdown) {
    let Some(queue) = state.queue() else { return };
    let mut failures = 0;
    loop {
        let received = tokio::select! {
            () = shutdown.wait() => return,
            received = take_in(&**queue, wake) => received,
        };
        let Err(error) = received else {
            failures = 0;
            continue;
        };
        failures += 1;
        let error = format!("{:#}", anyhow::Error::new(error));
        tracing::warn!(error, "no hints from the queue; the job table is looked at");
        tokio::select! {
            () = shutdown.wait() => return,
            () = tokio::time::sleep(backoff::pause(failures, FIRST_PAUSE, LONGEST_PAUSE)) => {}
        }
    }
}

async fn take_in(queue: &dyn Queue, wake: &Wake) -> Result<(), queue::Error> {
    wake.room().await;
    let messages = queue.receive(AT_ONCE, WAIT, LEASE).await?;
    let (good, bad): (Vec<_>, Vec<_>) = messages
        .into_iter()
        .partition(|message| serde_json::from_str::<Hint>(&message.body).is_ok());
    if !good.is_empty() {
        metrics::counter!("hints_received_total").increment(good.len() as u64);
        wake.up();
    }
    // What cannot be taken off now comes again and wakes once more.
    queue.done(&good).await?;
    for message in bad {
        metrics::counter!("hints_unreadable_total").increment(1);
        tracing::warn!(message = message.id, "not a hint of an export");
        match queue.bury(&message, "not a hint of an export").await {
            Ok(()) | Err(queue::Error::LeaseLost) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
