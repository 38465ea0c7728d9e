//! One chain, from its cursor towards its head: read a page, write it, note what was refused, and only
//! then let the cursor move.

use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use ledger::{Behind, Chain, Cursor, Limit, Unindexed};
use search::{Error, Refused, Which};
use service::Shutdown;
use service::follow::Turn;
use tokio::time::Instant;

use crate::batch::Batch;
use crate::{State, marks, rebuild};

/// Bulks of one turn, and how long it goes on to make them; then the other chains have theirs.
const BULKS: usize = 16;
const TURN: Duration = Duration::from_secs(4);
/// Of a chain, on their way at the same time: while one is answered, the next one is made and sent. The cursor moves in
/// their order. Whoever rests between them has one.
const WRITES: usize = 2;

/// One turn of a chain, unless another worker has it.
pub(crate) async fn turn(
    state: &State,
    chain: &Chain,
    shutdown: &Shutdown,
) -> anyhow::Result<Turn> {
    let name = format!("index {} {}", chain.tenant, chain.partition);
    let Some(claim) = state.claims().take(&name).await? else {
        return Ok(Turn::Taken);
    };
    let outcome = work(state, chain, shutdown).await;
    if let Ok(Turn::More) = outcome {
        // Another worker may be the next one: he is not to write the same again.
        marks::record(state, chain).await;
    }
    if let Err(error) = claim.give_back().await {
        tracing::debug!(%error, "a claim ends with its connection");
    }
    match outcome {
        Err(Stopped::Held) => Ok(Turn::Taken),
        Err(Stopped::Unusable) => rebuild::turn(state, chain.tenant, shutdown).await,
        Err(Stopped::Failed(error)) => Err(error),
        Ok(turn) => Ok(turn),
    }
}

/// Why a turn ended early.
enum Stopped {
    /// The tenant's index is being switched.
    Held,
    /// The index is lost, or of another version.
    Unusable,
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

async fn work(state: &State, chain: &Chain, shutdown: &Shutdown) -> Result<Turn, Stopped> {
    let mut allowance = Allowance::new();
    let due = state.ledger().due(state.written(), chain).await?;
    if due.is_empty() {
        return all_written(state, chain).await;
    }
    for behind in due {
        if behind.held {
            return Err(Stopped::Held);
        }
        // What this process wrote and has not put on record yet needs no second time.
        let cursor = state.marks().further(behind.cursor.clone(), behind.epoch);
        if !bring(state, &behind, cursor, &mut allowance, shutdown).await? {
            return Ok(Turn::More);
        }
    }
    Ok(Turn::Done)
}

/// Nothing is to be written; what was written before a crash may still have to be made visible.
async fn all_written(state: &State, chain: &Chain) -> Result<Turn, Stopped> {
    let invisible = state.ledger().due(state.visible(), chain).await?;
    // These sizes have what was appended since the look that found nothing to write: another look after them tells
    // whether all of that is written.
    if !state.ledger().due(state.written(), chain).await?.is_empty() {
        return Ok(Turn::More);
    }
    if invisible.iter().any(|behind| behind.held) {
        return Err(Stopped::Held);
    }
    let Some(epoch) = invisible.first().map(|behind| behind.epoch) else {
        return Ok(Turn::Done);
    };
    // Marks on an index that is lost would be dropped again and again, with nothing to write that misses it.
    match state.search().refresh(chain.tenant).await {
        Err(Error::Missing | Error::Outdated(_)) => {
            let now = state.ledger().epoch(state.visible(), chain.tenant).await?;
            // Unless it is being switched.
            return if now == epoch {
                Err(Stopped::Unusable)
            } else {
                Ok(Turn::More)
            };
        }
        refreshed => refreshed?,
    }
    for behind in invisible {
        let mut written = behind.cursor;
        written.next = behind.size;
        state.marks().written(written, behind.epoch, 0);
    }
    Ok(Turn::Done)
}

/// From the cursor to the end; `false` when it stopped before.
async fn bring(
    state: &State,
    behind: &Behind,
    cursor: Cursor,
    allowance: &mut Allowance,
    shutdown: &Shutdown,
) -> Result<bool, Stopped> {
    let mut left = behind.size.saturating_sub(cursor.next);
    let batches = batches(state, cursor, behind.size, allowance, shutdown);
    let written = batches.map(|batch| async {
        let batch = batch?;
        write(state, behind, &batch).await?;
        Ok::<_, Stopped>(batch.after)
    });
    let writes = if state.rests() { 1 } else { WRITES };
    let mut written = pin!(written.buffered(writes));
    let mut started = Instant::now();
    while let Some(cursor) = written.next().await {
        let cursor = cursor?;
        left = behind.size.saturating_sub(cursor.next);
        // A crash before this writes the batch again, which changes nothing.
        state.marks().written(cursor, behind.epoch, left);
        state.rest(started.elapsed(), shutdown).await;
        started = Instant::now();
    }
    Ok(left == 0)
}

/// What is left of a turn.
struct Allowance {
    bulks: usize,
    until: Instant,
}

impl Allowance {
    fn new() -> Self {
        Self {
            bulks: BULKS,
            until: Instant::now() + TURN,
        }
    }

    /// Whether there is one more bulk in it.
    fn spend(&mut self) -> bool {
        let more = self.bulks > 0 && Instant::now() < self.until;
        self.bulks = self.bulks.saturating_sub(1);
        more
    }
}

/// The pages from a cursor on, each read when the one before it is on its way.
fn batches<'s>(
    state: &'s State,
    cursor: Cursor,
    to: u64,
    allowance: &'s mut Allowance,
    shutdown: &'s Shutdown,
) -> impl Stream<Item = anyhow::Result<Batch>> + use<'s> {
    futures_util::stream::try_unfold((cursor, allowance), move |(cursor, allowance)| async move {
        if cursor.next >= to || shutdown.begun() || !allowance.spend() {
            return Ok(None);
        }
        let batch = read(state, cursor, to).await?;
        let after = batch.after.clone();
        Ok(Some((batch, (after, allowance))))
    })
}

/// A page, as documents. Making them takes longer than a task may hold its thread.
pub(crate) async fn read(state: &State, cursor: Cursor, to: u64) -> anyhow::Result<Batch> {
    let limit = Limit {
        rows: state.settings().rows,
        bytes: state.settings().bytes,
    };
    let rows = state.ledger().entries(&cursor, to, limit).await?;
    let batch = tokio::task::spawn_blocking(move || Batch::of(&cursor, to, &rows)).await?;
    for note in &batch.unindexed {
        let (seq, reason) = (note.seq, &note.reason);
        tracing::warn!(tenant = %note.tenant, partition = note.partition, seq, reason, "not indexed");
    }
    Ok(batch)
}

async fn write(state: &State, behind: &Behind, batch: &Batch) -> Result<(), Stopped> {
    let outcome = match put(state, batch, Which::Current).await {
        Err(Put::Index(Error::Missing)) => {
            make(state, behind).await?;
            put(state, batch, Which::Current).await
        }
        outcome => outcome,
    };
    match outcome {
        Ok(_) => Ok(()),
        Err(Put::Index(Error::Missing | Error::Outdated(_))) => Err(Stopped::Unusable),
        Err(Put::Index(error)) => Err(error.into()),
        Err(Put::Ledger(error)) => Err(error.into()),
    }
}

/// The index of a tenant who never had one. Of any other it is lost, unless another worker has just
/// made it: the next write tells.
async fn make(state: &State, behind: &Behind) -> Result<(), Stopped> {
    let tenant = behind.cursor.tenant;
    let cursors = state.ledger().cursors(state.written(), tenant).await?;
    if !cursors.is_empty() {
        return Ok(());
    }
    let placement = state.placement(tenant).await?;
    let made = state.search().create(tenant, placement).await;
    // Whoever built another one meanwhile held the cursors first. Where tenants share an index, this may have been put in
    // its place, if a third worker makes it as well, and also when no answer says so.
    let epoch = state.ledger().epoch(state.written(), tenant).await?;
    if epoch != behind.epoch {
        return Err(Stopped::Unusable);
    }
    Ok(made?)
}

/// Whose fault it is that a batch is not written.
pub(crate) enum Put {
    Index(Error),
    Ledger(ledger::Error),
}

/// Writes a batch, then notes what of it is not in the index, and gives these notes: after it all of the batch is either
/// searchable (once refreshed) or on record with the reason why not.
pub(crate) async fn put(state: &State, batch: &Batch, which: Which) -> Result<Vec<Unindexed>, Put> {
    let started = Instant::now();
    let tenant = batch.after.tenant;
    let mut notes = batch.unindexed.clone();
    if !batch.documents.is_empty() {
        let written = state.search().write(tenant, which, &batch.documents).await;
        let refused = written.map_err(Put::Index)?;
        notes.extend(refused.into_iter().map(|refused| note(tenant, refused)));
    }
    state
        .ledger()
        .note_unindexed(&notes)
        .await
        .map_err(Put::Ledger)?;
    let written = batch.documents.len() as u64;
    metrics::counter!("index_documents_total").increment(written);
    metrics::counter!("index_refused_total").increment(notes.len() as u64);
    metrics::histogram!("index_bulk_seconds").record(started.elapsed().as_secs_f64());
    Ok(notes)
}

fn note(tenant: uuid::Uuid, refused: Refused) -> Unindexed {
    let (seq, reason) = (refused.seq, refused.reason);
    tracing::warn!(%tenant, partition = refused.partition, seq, reason, "not indexed");
    Unindexed {
        tenant,
        partition: refused.partition,
        generation: refused.generation,
        seq,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_ends_after_so_many_bulks_or_so_long() {
        let mut quick = Allowance::new();
        assert_eq!((0..100).filter(|_| quick.spend()).count(), BULKS);

        let mut slow = Allowance::new();
        tokio::time::advance(TURN / 2).await;
        assert!(slow.spend());
        tokio::time::advance(TURN / 2).await;
        assert!(!slow.spend());
    }
}
