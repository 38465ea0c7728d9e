//! Hints of the queue: something was appended to a chain. They are done as soon as they are taken in,
//! since what is owed stands in the ledger; the queue only spares waiting for the next sweep.

use std::time::Duration;

use ledger::Chain;
use queue::{Message, Queue};
use serde::Deserialize;
use service::{Shutdown, backoff};
use tokio::sync::mpsc::Sender;
use uuid::Uuid;

use crate::{State, Task};

const AT_ONCE: usize = 10;
const WAIT: Duration = Duration::from_secs(20);
/// Taking hints in takes milliseconds.
const LEASE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The body of a hint. Members that are not here are for others.
#[derive(Deserialize)]
struct Hint {
    tenant: Uuid,
    partition: String,
}

/// Until `shutdown`; without a queue there is nothing to do.
pub(crate) async fn run(state: &State, found: &Sender<Task>, shutdown: &Shutdown) {
    let Some(queue) = state.queue() else { return };
    let mut failures = 0;
    loop {
        let received = tokio::select! {
            () = shutdown.wait() => return,
            received = take_in(&**queue, found) => received,
        };
        let Err(error) = received else {
            failures = 0;
            continue;
        };
        failures += 1;
        let error = format!("{:#}", anyhow::Error::new(error));
        tracing::warn!(error, "no hints from the queue; the sweep goes on");
        tokio::select! {
            () = shutdown.wait() => return,
            () = tokio::time::sleep(backoff::pause(failures, FIRST_PAUSE, LONGEST_PAUSE)) => {}
        }
    }
}

async fn take_in(queue: &dyn Queue, found: &Sender<Task>) -> Result<(), queue::Error> {
    // No room: hints wait in the queue, for whoever has some. Room for all that may come: a hint that
    // waited here until its lease ran out would be received again and again, and end as a dead letter.
    let Ok(mut room) = found.reserve_many(AT_ONCE).await else {
        return std::future::pending().await;
    };
    let messages = queue.receive(AT_ONCE, WAIT, LEASE).await?;
    let mut read = Vec::with_capacity(messages.len());
    let mut bad = Vec::new();
    for message in messages {
        let Some((chain, place)) = chain(&message).and_then(|chain| Some((chain, room.next()?)))
        else {
            bad.push(message);
            continue;
        };
        metrics::counter!("hints_received_total").increment(1);
        place.send(Task::Index(chain));
        read.push(message);
    }
    queue.done(&read).await?;
    for message in bad {
        bury(queue, &message).await?;
    }
    Ok(())
}

fn chain(message: &Message) -> Option<Chain> {
    let hint: Hint = serde_json::from_str(&message.body).ok()?;
    // No partition has a longer name, so this is not about one.
    (hint.partition.len() <= 63).then_some(Chain {
        tenant: hint.tenant,
        partition: hint.partition,
    })
}

async fn bury(queue: &dyn Queue, message: &Message) -> Result<(), queue::Error> {
    metrics::counter!("hints_unreadable_total").increment(1);
    tracing::warn!(message = message.id, "a hint cannot be read");
    match queue.bury(message, "not a hint").await {
        Err(queue::Error::LeaseLost) => Ok(()),
        outcome => outcome,
    }
}
