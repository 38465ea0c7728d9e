//! Hints that there is a job. They only wake the worker: what it does stands in the job table, so a
//! hint is done with as soon as it was read, and a lost one costs a few seconds.

use std::time::Duration;

use export::Hint;
use service::Shutdown;
use tokio::sync::Notify;

use crate::State;

const AT_ONCE: usize = 10;
const WAIT: Duration = Duration::from_secs(20);
const LEASE: Duration = Duration::from_secs(30);
/// After the queue did not answer.
const PAUSE: Duration = Duration::from_secs(5);

pub(crate) async fn run(state: &State, wake: &Notify, shutdown: &Shutdown) {
    let Some(queue) = state.queue() else { return };
    let mut failing = false;
    loop {
        let received = tokio::select! {
            received = queue.receive(AT_ONCE, WAIT, LEASE) => received,
            () = shutdown.wait() => return,
        };
        let error = match received {
            Ok(messages) => {
                failing = false;
                let (good, bad): (Vec<_>, Vec<_>) = messages
                    .into_iter()
                    .partition(|message| serde_json::from_str::<Hint>(&message.body).is_ok());
                if !good.is_empty() {
                    wake.notify_one();
                }
                for message in &bad {
                    metrics::counter!("export_hints_unreadable_total").increment(1);
                    if let Err(error) = queue.bury(message, "not a hint of an export").await {
                        tracing::warn!(%error, message = message.id, "a hint that cannot be read stays");
                    }
                }
                // What cannot be taken off now comes again and wakes once more.
                match queue.done(&good).await {
                    Ok(()) => continue,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        if !failing {
            failing = true;
            tracing::warn!(%error, "no hints: the job table is looked at instead");
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = shutdown.wait() => return,
        }
    }
}
