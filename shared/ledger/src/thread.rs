//! A lane's thread. The database waits for the lane between two statements, so the lane has a thread of
//! its own instead of standing in line behind the requests that the caller's runtime serves.

use std::panic::resume_unwind;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::driver::{Answered, Driver, Submission};

/// Starts the thread. The task, on the caller's runtime, passes the answers on, a batch at a time:
/// waking a task of another thread costs as much as linking an entry. It ends with the lane, and by a
/// panic if that ended so.
pub(crate) fn start(
    driver: impl FnOnce(mpsc::UnboundedSender<Vec<Answered>>) -> Driver,
    submissions: mpsc::Receiver<Submission>,
    stop: watch::Receiver<bool>,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (answered, mut answers) = mpsc::unbounded_channel();
    let driver = driver(answered);
    let lane = std::thread::Builder::new()
        .name("ledger lane".to_owned())
        .spawn(move || runtime.block_on(driver.run(submissions, stop)))?;
    Ok(tokio::spawn(async move {
        while let Some(batch) = answers.recv().await {
            for (client, answer) in batch {
                // A client that is gone has dropped its receiver; what was committed stays.
                client.send(answer).ok();
            }
        }
        // The channel ends with the thread's work, so this does not wait.
        if let Err(panic) = lane.join() {
            resume_unwind(panic);
        }
    }))
}
