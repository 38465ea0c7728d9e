//! What this process wrote and has not put on record: cursors on their way. Refreshes are coalesced
//! per tenant, and cursors of many chains move in one statement.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use ledger::{Chain, Cursor};
use service::{Shutdown, backoff};
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use crate::State;

/// From one refresh to the next, and so from one move of a cursor to the next, at least.
const PACE: Duration = Duration::from_millis(500);
/// The same while all chains are far behind: each refresh begins small segments anew, for nobody who waits.
const FAR_PACE: Duration = Duration::from_secs(3);
/// Entries that are left to write of a chain that is far behind.
const FAR: u64 = 10_000;
/// Refreshes take at most about a fifth of the index's time: where one is slow, the next one waits.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Tenants refreshed at once.
const AT_ONCE: usize = 8;

type Key = (Uuid, String, u32);

#[derive(Default)]
pub(crate) struct Marks {
    of: Mutex<HashMap<Key, Mark>>,
    changed: Notify,
}

#[derive(Clone)]
struct Mark {
    cursor: Cursor,
    epoch: i64,
    /// The cursor of what is written stands here already.
    recorded: bool,
    /// Entries of the chain that were not written yet.
    left: u64,
}

impl Mark {
    /// Whether nothing came after it.
    fn is(&self, now: &Self) -> bool {
        self.epoch == now.epoch && self.cursor.next == now.cursor.next
    }
}

impl Marks {
    fn held(&self) -> MutexGuard<'_, HashMap<Key, Mark>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index has acknowledged everything before this cursor, and `left` entries are still to be written.
    pub(crate) fn written(&self, cursor: Cursor, epoch: i64, left: u64) {
        let key = (cursor.tenant, cursor.partition.clone(), cursor.generation);
        let mark = Mark {
            cursor,
            epoch,
            recorded: false,
            left,
        };
        self.held().insert(key, mark);
        self.changed.notify_one();
    }

    /// Where to go on: a cursor as the database has it, or what this process wrote since, unless the
    /// cursors of the tenant were set back meanwhile.
    pub(crate) fn further(&self, cursor: Cursor, epoch: i64) -> Cursor {
        let key = (cursor.tenant, cursor.partition.clone(), cursor.generation);
        match self.held().get(&key) {
            Some(mark) if mark.epoch == epoch && mark.cursor.next > cursor.next => {
                mark.cursor.clone()
            }
            _ => cursor,
        }
    }

    /// What was marked while nobody looked is not to wait for the next mark.
    fn look_again(&self) {
        if !self.held().is_empty() {
            self.changed.notify_one();
        }
    }

    /// Whether a refresh would show nobody the newest entries.
    fn are_far(&self) -> bool {
        self.held().values().all(|mark| mark.left >= FAR)
    }

    fn all(&self) -> BTreeMap<Key, Mark> {
        let held = self.held();
        held.iter()
            .map(|(k, mark)| (k.clone(), mark.clone()))
            .collect()
    }

    /// Forgets marks that are on record, where none came after them.
    fn forget(&self, done: &BTreeMap<Key, Mark>) {
        self.held()
            .retain(|key, mark| !done.get(key).is_some_and(|done| done.is(mark)));
    }

    fn recorded(&self, done: &BTreeMap<Key, Mark>) {
        for (key, mark) in self.held().iter_mut() {
            mark.recorded |= done.get(key).is_some_and(|done| done.is(mark));
        }
    }
}

/// Until `shutdown`. What is marked then is left for [`flush`].
pub(crate) async fn run(state: &State, shutdown: &Shutdown) {
    let mut failures = 0;
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            () = state.marks().changed.notified() => {}
        }
        let began = Instant::now();
        failures = if flush(state).await { 0 } else { failures + 1 };
        let rest = (began.elapsed() * REST).min(LONGEST_REST);
        let mut pause = PACE.saturating_sub(began.elapsed()).max(rest);
        if failures > 0 {
            pause = backoff::pause(failures, PACE, LONGEST_PAUSE);
            state.marks().changed.notify_one();
        }
        tokio::select! {
            () = shutdown.wait() => return,
            () = tokio::time::sleep(pause) => {}
        }
        tokio::select! {
            () = shutdown.wait() => return,
            () = near(state.marks()) => {}
            () = tokio::time::sleep_until(began + FAR_PACE) => state.marks().look_again(),
        }
    }
}

/// Until a chain is marked that is not far behind.
async fn near(marks: &Marks) {
    while marks.are_far() {
        marks.changed.notified().await;
    }
    // Whoever waits next is to see that something changed.
    marks.changed.notify_one();
}

/// Puts on record how far a chain is written, at once and without a refresh.
pub(crate) async fn record(state: &State, chain: &Chain) {
    let mut marks = state.marks().all();
    marks.retain(|(tenant, partition, _), mark| {
        *tenant == chain.tenant && *partition == chain.partition && !mark.recorded
    });
    if advance(state, state.written(), marks.values()).await {
        state.marks().recorded(&marks);
    }
}

/// Refreshes what was written to, then moves the cursors. `false` when something is left to do. A
/// crash in between costs work done twice.
pub(crate) async fn flush(state: &State) -> bool {
    let mut marks = state.marks().all();
    if marks.is_empty() {
        return true;
    }
    let tenants: BTreeSet<Uuid> = marks.keys().map(|(tenant, ..)| *tenant).collect();
    let refreshes = futures_util::stream::iter(tenants).map(|tenant| refresh(state, tenant));
    let outcomes: Vec<_> = refreshes.buffer_unordered(AT_ONCE).collect().await;
    let of = |wanted: Refreshed| {
        let tenants = outcomes
            .iter()
            .filter(move |(_, outcome)| *outcome == wanted);
        tenants
            .map(|(tenant, _)| *tenant)
            .collect::<BTreeSet<Uuid>>()
    };
    // What was written to an index that is lost is on no record: the next turn finds it missing.
    let lost = of(Refreshed::Lost);
    let gone = marks
        .extract_if(.., |(tenant, ..), _| lost.contains(tenant))
        .collect();
    state.marks().forget(&gone);
    let refreshed = of(Refreshed::Yes);
    let unrecorded = marks.values().filter(|mark| !mark.recorded);
    if !advance(state, state.written(), unrecorded).await {
        return false;
    }
    state.marks().recorded(&marks);
    marks.retain(|(tenant, ..), _| refreshed.contains(tenant));
    if !advance(state, state.visible(), marks.values()).await {
        return false;
    }
    state.marks().forget(&marks);
    refreshed.len() + lost.len() == outcomes.len()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Refreshed {
    Yes,
    No,
    Lost,
}

async fn refresh(state: &State, tenant: Uuid) -> (Uuid, Refreshed) {
    let started = Instant::now();
    let outcome = match state.search().refresh(tenant).await {
        Ok(()) => Refreshed::Yes,
        Err(search::Error::Missing | search::Error::Outdated(_)) => Refreshed::Lost,
        Err(error) => {
            tracing::warn!(%tenant, error = format!("{:#}", anyhow::Error::new(error)), "not refreshed");
            Refreshed::No
        }
    };
    metrics::histogram!("index_refresh_seconds").record(started.elapsed().as_secs_f64());
    (tenant, outcome)
}

/// Cursors of a statement.
const CURSORS: usize = 1_000;

async fn advance(state: &State, follower: &str, marks: impl Iterator<Item = &Mark>) -> bool {
    let cursors: Vec<_> = marks
        .map(|mark| (mark.cursor.clone(), mark.epoch))
        .collect();
    for some in cursors.chunks(CURSORS) {
        if let Err(error) = state.ledger().advance(follower, some).await {
            tracing::warn!(
                follower,
                error = format!("{:#}", anyhow::Error::new(error)),
                "cursors not moved"
            );
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use chain::Timestamp;
    use tokio::time::timeout;

    use super::*;

    fn cursor() -> Cursor {
        Cursor {
            tenant: Uuid::from_u128(1),
            partition: "default".to_owned(),
            generation: 1,
            next: 7,
            received_at: Timestamp::FIRST,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_chain_far_behind_is_looked_at_late_and_without_another_mark() {
        let marks = Marks::default();
        marks.written(cursor(), 0, FAR);
        assert!(timeout(FAR_PACE, near(&marks)).await.is_err(), "late");
        marks.look_again();
        timeout(FAR_PACE, marks.changed.notified()).await.unwrap();

        marks.written(cursor(), 0, FAR - 1);
        timeout(FAR_PACE, near(&marks)).await.unwrap();
        timeout(FAR_PACE, marks.changed.notified()).await.unwrap();
    }
}
