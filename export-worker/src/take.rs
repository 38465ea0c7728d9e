//! Taking jobs: as many at once as the settings say, woken by hints, by the end of another job, and
//! by the clock.

use std::time::Duration;

use export::jobs::Room;
use service::Shutdown;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::{State, work};

/// How long a job waits at most whose hint was lost.
const LOOK: Duration = Duration::from_secs(10);

/// Between hints and the taking of jobs.
pub(crate) struct Wake {
    up: Notify,
    room: watch::Sender<bool>,
}

impl Wake {
    pub(crate) fn new() -> Self {
        Self {
            up: Notify::new(),
            room: watch::Sender::new(true),
        }
    }

    /// There may be a job.
    pub(crate) fn up(&self) {
        self.up.notify_one();
    }

    /// Returns when this worker could take a job.
    pub(crate) async fn room(&self) {
        // The sender lives in `self`, so this cannot fail.
        let _ = self.room.subscribe().wait_for(|room| *room).await;
    }
}

pub(crate) async fn run(state: &State, wake: &Wake, shutdown: &Shutdown) {
    let mut running = JoinSet::new();
    let mut failing = false;
    loop {
        let taken = fill(state, &mut running, shutdown).await;
        if let Err(error) = &taken
            && !failing
        {
            tracing::warn!(error = format!("{error:#}"), "no jobs can be taken");
        }
        failing = taken.is_err();
        let count = running.len();
        wake.room.send_replace(count < state.settings().at_once);
        metrics::gauge!("exports_running").set(u32::try_from(count).unwrap_or(u32::MAX));
        tokio::select! {
            ended = running.join_next(), if !running.is_empty() => {
                if let Some(Err(error)) = ended {
                    // Its lease runs out, and it is tried again.
                    tracing::error!(%error, "an export stopped in the middle");
                }
            }
            () = wake.up.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = shutdown.wait() => break,
        }
    }
    // Each gives its job back.
    while running.join_next().await.is_some() {}
}

async fn fill(state: &State, running: &mut JoinSet<()>, shutdown: &Shutdown) -> anyhow::Result<()> {
    while running.len() < state.settings().at_once {
        // One tenant never has all places, however much it asks for.
        let room = match state.settings().at_once - running.len() {
            1 => Room::Last,
            _ => Room::Any,
        };
        // A ledger of another installation would make every chain look damaged.
        state.ledger().ready().await?;
        let claimed = state.jobs().claim(state.settings().lease, room).await?;
        let Some(job) = claimed else {
            return Ok(());
        };
        let (state, shutdown) = (state.clone(), shutdown.clone());
        running.spawn(async move { work::run(&state, &job, &shutdown).await });
    }
    Ok(())
}

impl State {
    /// Works on every job that is due now, one after the other. For whoever wants to see them ended:
    /// a worker does it by itself.
    pub async fn catch_up(&self) -> anyhow::Result<()> {
        let never = Shutdown::new();
        self.ledger().ready().await?;
        let lease = self.settings().lease;
        while let Some(job) = self.jobs().claim(lease, Room::Any).await? {
            work::run(self, &job, &never).await;
        }
        Ok(())
    }
}
