//! What no hint told of: all heads against the cursors, page by page, by one worker at a time.

use std::time::Duration;

use ledger::{Behind, Chain};
use service::{Shutdown, backoff};
use tokio::sync::mpsc::Sender;

use crate::lag::Lag;
use crate::{State, Task, VISIBLE, check};

/// From the end of one sweep to the next, about.
const INTERVAL: Duration = Duration::from_secs(30);
/// Chains of one statement.
pub(crate) const PAGE: u32 = 1_000;
/// The lease: whoever holds it sweeps.
const LEASE: &str = "index sweep";

/// At once and then every 30 s until `shutdown`; the first time the tenants' indices are checked too.
pub(crate) async fn run(state: &State, found: &Sender<Task>, shutdown: &Shutdown) {
    let mut checked = false;
    loop {
        let swept = async {
            if let Err(error) = sweep(state, found, &mut checked).await {
                tracing::warn!(error = format!("{error:#}"), "the sweep was not finished");
            }
            if let Some(queue) = state.queue()
                && let Err(error) = queue::measure(&**queue).await
            {
                tracing::debug!(%error, "the queue's depth is not known");
            }
            tokio::time::sleep(backoff::about(INTERVAL)).await;
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
            // Waits while the loop has no room.
            if found.send(Task::Index(chain)).await.is_err() {
                return Ok(());
            }
        }
        after = next;
        if after.is_none() {
            lag.publish();
            break;
        }
    }
    if !*checked {
        check::all(state, found).await?;
        *checked = true;
    }
    Ok(())
}

/// `None`: another worker sweeps.
async fn page(
    state: &State,
    after: Option<&Chain>,
) -> anyhow::Result<Option<(Vec<Behind>, Option<Chain>)>> {
    let Some(lease) = state.claims().take(LEASE).await? else {
        return Ok(None);
    };
    let page = state.ledger().behind(VISIBLE, after, PAGE).await;
    lease.give_back().await?;
    Ok(Some(page?))
}
