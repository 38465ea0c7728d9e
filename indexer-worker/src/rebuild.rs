//! A tenant's index, made anew from the ledger while appends and searches go on: the next index is
//! filled beside the current one and then put in its place.
//!
//! What makes it whole: before the switch the cursors are set back to what both indices have, and
//! the tenant's indexing is held; after it they are set to what the new one has, and let go. Whoever was at
//! work on the old index meanwhile cannot move a cursor past that, so what he wrote there is written
//! again. A crash before the switch leaves the old index, one after it the new one, each
//! with cursors that fit, and the hold ends by itself.
//!
//! The claim only spares work: it may be lost, and another worker begin anew. From then on the next index of
//! the one who was first is gone for good, and his hold counts no more, wherever he was.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use ledger::{Behind, Chain, Cursor, Unindexed};
use search::{Placement, Rebuild, Which};
use service::Shutdown;
use service::follow::Turn;
use uuid::Uuid;

use crate::batch::Batch;
use crate::sweep::PAGE;
use crate::work::{Put, put, read};
use crate::{State, check};

/// A follower without cursors: everything is before it.
const NOBODY: &str = "index.nobody";
/// Longer than one try of the switch can take.
const HOLD: Duration = Duration::from_mins(3);
/// Between two tries of the switch.
const PAUSE: Duration = Duration::from_secs(2);
const TRIES: usize = 5;
/// Rounds over all chains: each has what was appended during the one before.
const ROUNDS: usize = 5;

impl State {
    /// Builds the index of a tenant anew, in the place that is chosen for the tenant, which is `placement` from now on
    /// where one is given. `false` when another worker is at it; then nothing is changed.
    pub async fn rebuild(
        &self,
        tenant: Uuid,
        placement: Option<Placement>,
        shutdown: &Shutdown,
    ) -> anyhow::Result<bool> {
        let name = format!("index rebuild {tenant}");
        let Some(claim) = self.claims().take(&name).await? else {
            return Ok(false);
        };
        let outcome = rebuild(self, tenant, placement, shutdown).await;
        if let Err(error) = claim.give_back().await {
            tracing::debug!(%error, "a claim ends with its connection");
        }
        outcome.map(|()| true)
    }

    /// Builds the indices of all tenants anew, one after the other; the number of those that were.
    pub async fn rebuild_all(
        &self,
        placement: Option<Placement>,
        shutdown: &Shutdown,
    ) -> anyhow::Result<usize> {
        let mut rebuilt = 0;
        for tenant in check::tenants(self).await? {
            let done = self.rebuild(tenant, placement, shutdown).await;
            rebuilt += usize::from(done.with_context(|| format!("tenant {tenant}"))?);
        }
        Ok(rebuilt)
    }
}

/// For a worker that found a tenant's index lost.
pub(crate) async fn turn(state: &State, tenant: Uuid, shutdown: &Shutdown) -> anyhow::Result<Turn> {
    let Ok(_place) = state.rebuilding().try_acquire() else {
        return Ok(Turn::Taken);
    };
    tracing::warn!(%tenant, "the search index is lost or outdated, and is built anew");
    metrics::counter!("index_rebuilds_total").increment(1);
    let rebuilt = state.rebuild(tenant, None, shutdown).await?;
    Ok(if rebuilt { Turn::Done } else { Turn::Taken })
}

/// Chains of all tenants, as if nothing had been done, and where to go on.
pub(crate) async fn chains_after(
    state: &State,
    after: Option<&Chain>,
) -> anyhow::Result<(Vec<Behind>, Option<Chain>)> {
    Ok(state.ledger().behind(NOBODY, after, PAGE).await?)
}

/// All chains of a tenant, old generations included.
async fn chains(state: &State, tenant: Uuid) -> anyhow::Result<Vec<Behind>> {
    let mut chains = Vec::new();
    let mut after = Some(Chain {
        tenant,
        partition: String::new(),
    });
    while after.as_ref().is_some_and(|chain| chain.tenant == tenant) {
        let (page, next) = chains_after(state, after.as_ref()).await?;
        chains.extend(page.into_iter().filter(|c| c.cursor.tenant == tenant));
        after = next;
    }
    Ok(chains)
}

async fn rebuild(
    state: &State,
    tenant: Uuid,
    placement: Option<Placement>,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    if let Some(placement) = placement {
        // A rebuild that fails after this is made up for by any later one.
        state.set_placement(tenant, placement).await?;
    }
    let placement = state.placement(tenant).await?;
    let mut next = Next {
        tenant,
        rebuild: state.search().begin_rebuild(tenant, placement).await?,
        filled: Vec::new(),
        refused: Vec::new(),
    };
    for round in 1..=ROUNDS {
        let entries = next.fill(state, shutdown).await?;
        tracing::info!(%tenant, round, entries, "the next index is filled");
        // What came meanwhile is less than one bulk: the worker brings it in after the switch.
        if entries < u64::from(state.settings().rows) {
            break;
        }
    }
    switch(state, &next).await
}

/// An index on its way to be the current one.
struct Next {
    tenant: Uuid,
    rebuild: Rebuild,
    /// What was written to it, chain by chain.
    filled: Vec<Cursor>,
    /// What of it was noted not to be there. The notes on the current index stay until it goes.
    refused: Vec<Unindexed>,
}

impl Next {
    /// Everything from the cursors to the heads of this moment; the number of entries.
    async fn fill(&mut self, state: &State, shutdown: &Shutdown) -> anyhow::Result<u64> {
        let mut entries = 0;
        for chain in chains(state, self.tenant).await? {
            let same = |cursor: &Cursor| {
                cursor.partition == chain.cursor.partition
                    && cursor.generation == chain.cursor.generation
            };
            let place = self.filled.iter().position(same);
            let place = place.unwrap_or_else(|| {
                self.filled.push(chain.cursor.clone());
                self.filled.len() - 1
            });
            while self.filled[place].next < chain.size {
                if shutdown.begun() {
                    bail!("stopped while an index was built anew");
                }
                let cursor = self.filled[place].clone();
                let from = cursor.next;
                let batch = read(state, cursor, chain.size).await?;
                self.put(state, &batch).await?;
                entries += batch.after.next - from;
                self.filled[place] = batch.after;
            }
        }
        Ok(entries)
    }

    async fn put(&mut self, state: &State, batch: &Batch) -> anyhow::Result<()> {
        match put(state, batch, Which::Next(self.rebuild)).await {
            Ok(refused) => self.refused.extend(refused),
            Err(Put::Index(error)) => return Err(ended(error)),
            Err(Put::Ledger(error)) => {
                return Err(anyhow::Error::new(error).context("noting what is not indexed"));
            }
        }
        Ok(())
    }
}

/// Whether a switch that failed was made is not known: it is tried again, which changes nothing when
/// it was.
async fn switch(state: &State, next: &Next) -> anyhow::Result<()> {
    let (tenant, followers) = (next.tenant, [state.written(), state.visible()]);
    let hold = state.ledger().hold(&followers, tenant, &next.filled, HOLD);
    let hold = hold.await?;
    let mut tries = TRIES;
    loop {
        tries -= 1;
        // What others wrote to the old index after the hold had ended would be passed over.
        let held = state.ledger().extend(&hold, HOLD).await?;
        ensure!(
            held,
            "the switch took too long, or another rebuild is at it"
        );
        match state.search().finish_rebuild(tenant, next.rebuild).await {
            Err(search::Error::Unavailable(error)) if tries > 0 => {
                let error = format!("{error:#}");
                tracing::warn!(%tenant, error, "the switch to the next index is tried again");
            }
            outcome => {
                outcome.map_err(ended)?;
                break;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    let release = state.ledger().release(&hold, &next.filled, &next.refused);
    if !release.await? {
        // The cursors are behind what this index has, and that is theirs to set who holds them now.
        tracing::warn!(%tenant, "another rebuild is at its switch: some entries are indexed once more");
    }
    Ok(())
}

/// Why the next index cannot be filled or switched to.
fn ended(error: search::Error) -> anyhow::Error {
    let context = match error {
        search::Error::Missing => {
            "the next index is gone: another rebuild of this tenant began since"
        }
        _ => "filling the next index",
    };
    anyhow::Error::new(error).context(context)
}
