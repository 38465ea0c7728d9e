//! What no hint told of: all heads against the cursors, page by page, by one worker at a time.

use std::pin::pin;

use ledger::{Behind, Chain};
use service::{Shutdown, backoff};
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use crate::lag::{self, Lag};
use crate::{State, Task, check};

/// Chains of one statement.
pub(crate) const PAGE: u32 = 1_000;
/// The lease: whoever holds it sweeps.
const LEASE: &str = "index sweep";

/// At once and then again after a while until `shutdown`; the first time the tenants' indices are checked too.
pub(crate) async fn run(state: &State, found: &Sender<Task>, shutdown: &Shutdown) {
    let mut checked = false;
    loop {
        let swept = async {
            if let Err(error) = sweep(state, found, &mut checked).await {
                tracing::warn!(error = format!("{error:#}"), "the sweep was not finished");
            }
            measure_queue(state).await;
            tokio::time::sleep(backoff::about(state.settings().sweep)).await;
        };
        tokio::select! {
            () = shutdown.wait() => return,
            () = swept => {}
        }
    }
}

/// What a search does not find yet: also what was written before a crash and never made visible. The
/// lease is for reading a page, so that what is found can be shared: meanwhile another worker may
/// sweep, and passes over the chains that this one has claimed.
async fn sweep(state: &State, found: &Sender<Task>, checked: &mut bool) -> anyhow::Result<()> {
    let mut telling = Telling::new(state, found);
    let mut lag = Lag::default();
    let mut after = None;
    loop {
        let Some((behind, next)) = page(state, after.as_ref()).await? else {
            return Ok(());
        };
        for chain in behind {
            lag.count(&chain);
            let chain = Chain {
                tenant: chain.cursor.tenant,
                partition: chain.cursor.partition,
            };
            if !telling.tell(Task::Index(chain)).await {
                return Ok(());
            }
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    if !telling.was_long {
        lag.publish();
    }
    if !*checked {
        check::all(state, &mut telling).await?;
        *checked = true;
    }
    Ok(())
}

/// Tells the loop, which may have no room for hours where the index is slow. How far it is behind is said all the same.
pub(crate) struct Telling<'t> {
    state: &'t State,
    found: &'t Sender<Task>,
    /// When it is to be said again.
    due: Instant,
    /// What was counted at the beginning is old.
    was_long: bool,
}

impl<'t> Telling<'t> {
    fn new(state: &'t State, found: &'t Sender<Task>) -> Self {
        Self {
            state,
            found,
            due: Instant::now() + backoff::about(state.settings().sweep),
            was_long: false,
        }
    }

    /// Waits while the loop has no room. `false`: it has ended.
    pub(crate) async fn tell(&mut self, task: Task) -> bool {
        let mut place = pin!(self.found.reserve());
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(self.due) => {}
                place = &mut place => {
                    let Ok(place) = place else { return false };
                    place.send(task);
                    return true;
                }
            }
            self.was_long = true;
            if let Err(error) = lag::measure(self.state).await {
                let error = format!("{:#}", anyhow::Error::new(error));
                tracing::warn!(error, "how far the index is behind is not known");
            }
            measure_queue(self.state).await;
            self.due = Instant::now() + backoff::about(self.state.settings().sweep);
        }
    }
}

async fn measure_queue(state: &State) {
    if let Some(queue) = state.queue()
        && let Err(error) = queue::measure(&**queue).await
    {
        tracing::debug!(%error, "the queue's depth is not known");
    }
}

/// `None`: another worker sweeps.
async fn page(
    state: &State,
    after: Option<&Chain>,
) -> anyhow::Result<Option<(Vec<Behind>, Option<Chain>)>> {
    let Some(lease) = state.claims().take(LEASE).await? else {
        return Ok(None);
    };
    let page = state.ledger().behind(state.visible(), after, PAGE).await;
    lease.give_back().await?;
    Ok(Some(page?))
}
