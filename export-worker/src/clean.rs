//! What is left of exports goes: objects whose time is over or whose job ended otherwise, objects
//! that no job has, uploads that nobody finished, rows that are old. Any number of workers may do
//! this at once: each step only removes what nobody has.

use std::time::{Duration, SystemTime};

use export::jobs::{Kept, PREFIX, prefix};
use service::Shutdown;
use tokio::time::{MissedTickBehavior, interval};

use crate::State;

const EVERY: Duration = Duration::from_mins(1);
/// Looking at every object costs a call for each thousand of them.
const ORPHANS_EVERY: u32 = 60;
const PAGE: usize = 1_000;
/// Jobs cleaned up after at a time.
const JOBS: u32 = 100;
/// No record takes longer.
const RECORD: Duration = Duration::from_mins(1);
/// No upload takes longer.
const UPLOAD: Duration = Duration::from_hours(24);
/// An object this young may be one whose row is about to be written.
const YOUNG: Duration = Duration::from_mins(10);

pub(crate) async fn run(state: &State, shutdown: &Shutdown) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = 0_u32;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.wait() => return,
        }
        let cleaning = async {
            measure(state).await?;
            state.clean_up().await?;
            if count.is_multiple_of(ORPHANS_EVERY) {
                state.sweep(YOUNG).await?;
            }
            anyhow::Ok(())
        };
        let cleaned = tokio::select! {
            cleaned = cleaning => cleaned,
            () = shutdown.wait() => return,
        };
        match cleaned {
            Ok(()) => count = count.wrapping_add(1),
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "cleaning up waits");
            }
        }
    }
}

async fn measure(state: &State) -> anyhow::Result<()> {
    let waiting = state.jobs().waiting().await?;
    metrics::gauge!("exports_waiting").set(u32::try_from(waiting.jobs).unwrap_or(u32::MAX));
    metrics::gauge!("exports_waiting_seconds").set(waiting.longest.as_secs_f64());
    if let Some(queue) = state.queue()
        && let Err(error) = queue::measure(&**queue).await
    {
        tracing::debug!(%error, "the queue's depth is not known");
    }
    Ok(())
}

impl State {
    /// Ends what has expired, removes the objects of jobs that ended without one, or whose object is to
    /// go, and forgets jobs that nobody recorded or that ended long ago.
    pub async fn clean_up(&self) -> anyhow::Result<()> {
        loop {
            let remains = self.jobs().expire(JOBS).await?;
            for job in &remains {
                self.remove_all(&prefix(job.tenant, job.id)).await?;
                // After the objects: whoever dies in between does it once more.
                self.jobs().cleaned(job.tenant, job.id).await?;
            }
            if remains.len() < JOBS as usize {
                break;
            }
        }
        self.jobs().forget_unrecorded(RECORD).await?;
        self.jobs().forget(self.settings().memory).await?;
        Ok(())
    }

    async fn remove_all(&self, prefix: &str) -> anyhow::Result<()> {
        loop {
            let objects = self.store().list(prefix, None, PAGE).await?;
            for object in &objects {
                self.remove(&object.key).await?;
            }
            if objects.len() < PAGE {
                return Ok(());
            }
        }
    }

    async fn remove(&self, key: &str) -> anyhow::Result<()> {
        self.store().delete(key).await?;
        metrics::counter!("export_objects_removed_total").increment(1);
        Ok(())
    }

    /// Removes uploads that nobody finished, and objects older than `young` that no job has: of
    /// attempts that were overtaken after their last sign of life.
    pub async fn sweep(&self, young: Duration) -> anyhow::Result<()> {
        self.store().sweep_uploads(UPLOAD).await?;
        let mut after = None;
        loop {
            let objects = self.store().list(PREFIX, after.as_deref(), PAGE).await?;
            for object in &objects {
                let age = SystemTime::now().duration_since(object.modified);
                // What no job of ours can have made is somebody else's.
                let Some(kept) = Kept::of(&object.key) else {
                    continue;
                };
                if age.is_ok_and(|age| age >= young) && !self.jobs().keeps(kept).await? {
                    self.remove(&object.key).await?;
                }
            }
            if objects.len() < PAGE {
                return Ok(());
            }
            after = objects.last().map(|object| object.key.clone());
        }
    }
}
