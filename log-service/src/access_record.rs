//! Access to the trail is on the trail: who read what becomes entries of the tenant's `system`
//! partition. Plain reads share one entry per principal, partition, filter and five minutes, which
//! is written when its window ends; evidence and verification have one each, before the answer.
//!
//! Memory is bounded, and no read goes unrecorded: when a tenant's share is full and cannot be
//! written, its reads are refused. A kill loses the windows that are open, at most five minutes.

mod window;

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chain::{Recorder, Timestamp};
use ledger::{Append, Entries, Tenant};
use serde_json::json;
use service::{ApiError, Caller, Shutdown};
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

pub(crate) use self::window::Read;
use self::window::{Key, Windows};
use crate::State;
use crate::state::tenant;

/// The partition that access is recorded in.
pub(crate) const SYSTEM: &str = "system";
/// Who records: this service on its own account, not on a caller's.
const RECORDER: Recorder<'static> = Recorder {
    kind: "system",
    id: "log-service",
};
const WINDOW: Duration = Duration::from_mins(5);
const TICK: Duration = Duration::from_secs(5);
/// Bytes of open and unwritten records of one tenant, and of all.
const TENANT_SHARE: usize = 256 << 10;
const SHARE: usize = 16 << 20;
/// How long a stop tries to write what is left, in all, and how long it waits between two tries.
const LAST_PATIENCE: Duration = Duration::from_secs(10);
const LAST_PAUSE: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(crate) struct AccessRecords {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    windows: Windows,
    /// Closed and not yet acknowledged; each keeps its id, so that writing it twice is harmless.
    closed: VecDeque<Record>,
    /// Closed ones that somebody is writing now.
    in_hand: usize,
    shares: Shares,
}

/// Bytes in memory, open and closed together.
#[derive(Default)]
struct Shares {
    all: usize,
    of: HashMap<Uuid, usize>,
}

impl Shares {
    fn have_room(&self, tenant: Uuid) -> bool {
        self.all < SHARE && self.of.get(&tenant).is_none_or(|own| *own < TENANT_SHARE)
    }

    fn take(&mut self, tenant: Uuid, bytes: usize) {
        self.all += bytes;
        *self.of.entry(tenant).or_default() += bytes;
    }

    fn give_back(&mut self, tenant: Uuid, bytes: usize) {
        self.all -= bytes;
        if let Entry::Occupied(mut own) = self.of.entry(tenant) {
            *own.get_mut() -= bytes;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

/// One entry to be written.
struct Record {
    tenant: Tenant,
    id: Uuid,
    body: Vec<u8>,
}

impl AccessRecords {
    /// Counts a plain read. Called before the answer is given.
    pub(crate) async fn count(
        &self,
        state: &State,
        caller: &Caller,
        read: Read<'_>,
    ) -> Result<(), ApiError> {
        let tenant = tenant(caller)?;
        if self.hold(&tenant, caller, &read) {
            return Ok(());
        }
        close_and_write(state, Some(tenant.id)).await;
        if self.hold(&tenant, caller, &read) {
            return Ok(());
        }
        Err(refused(anyhow::anyhow!(
            "access records cannot be written, and their memory is full"
        )))
    }

    /// `false` when there is no room.
    fn hold(&self, tenant: &Tenant, caller: &Caller, read: &Read<'_>) -> bool {
        let mut held = self.held();
        let key = Key::of(tenant.id, caller.principal, read);
        if !held.windows.contains(&key) {
            if !held.shares.have_room(tenant.id) {
                return false;
            }
            held.shares.take(tenant.id, key.bytes());
        }
        held.windows.count(key, tenant, read, now());
        true
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, which: impl Fn(Uuid, Instant) -> bool) {
        let mut held = self.held();
        for (tenant, bytes, entry) in held.windows.take(which) {
            let id = Uuid::now_v7();
            let body = entry.to_string().into_bytes();
            held.shares.give_back(tenant.id, bytes);
            held.shares.take(tenant.id, body.len());
            held.closed.push_back(Record { tenant, id, body });
        }
    }

    fn next(&self) -> Option<InHand<'_>> {
        let mut held = self.held();
        let record = held.closed.pop_front()?;
        held.in_hand += 1;
        Some(InHand {
            records: self,
            record: Some(record),
        })
    }

    fn waiting(&self) -> usize {
        self.held().closed.len()
    }

    /// Waiting and in hand.
    fn unwritten(&self) -> usize {
        let held = self.held();
        held.closed.len() + held.in_hand
    }
}

/// A record that is being written. It goes back to the others unless it was: also when the writing is given up in the middle, and
/// then a second write under the same id changes nothing.
struct InHand<'a> {
    records: &'a AccessRecords,
    record: Option<Record>,
}

impl InHand<'_> {
    /// Writes it; on failure it stays in hand.
    async fn write(&mut self, state: &State) -> Result<(), ledger::append::Error> {
        if let Some(record) = &self.record {
            write(state, record).await?;
        }
        if let Some(record) = self.record.take() {
            let mut held = self.records.held();
            held.shares.give_back(record.tenant.id, record.body.len());
        }
        Ok(())
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        let mut held = self.records.held();
        held.in_hand -= 1;
        if let Some(record) = self.record.take() {
            held.closed.push_back(record);
        }
    }
}

/// Writes one access to a partition that is recorded by itself. The answer must wait for it: no
/// record, no answer.
pub(crate) async fn before_answer(
    state: &State,
    caller: &Caller,
    action: &str,
    partition: &str,
    metadata: serde_json::Value,
) -> Result<(), ApiError> {
    let activity = if action == "partition.create" {
        "create"
    } else {
        "read"
    };
    let target = json!({"type": "partition", "id": partition});
    record(state, caller, action, activity, target, metadata).await
}

/// The same for whatever is not about one partition.
pub(crate) async fn record(
    state: &State,
    caller: &Caller,
    action: &str,
    activity: &str,
    target: serde_json::Value,
    metadata: serde_json::Value,
) -> Result<(), ApiError> {
    let principal = caller.principal;
    let id = principal.id.to_string();
    let entry = entry(
        (principal.kind.as_str(), &id),
        action,
        activity,
        &target,
        &metadata,
    );
    let record = Record {
        tenant: tenant(caller)?,
        id: Uuid::now_v7(),
        body: entry.to_string().into_bytes(),
    };
    write(state, &record)
        .await
        .map_err(|error| refused(error.into()))
}

/// Of something that several requests may make at once, or one after the other died: all write it
/// under the same id, which nobody else knows, and the first one is kept.
pub(crate) async fn record_once(
    state: &State,
    tenant: Tenant,
    id: Uuid,
    entry: &serde_json::Value,
) -> Result<(), ApiError> {
    let record = Record {
        tenant,
        id,
        body: entry.to_string().into_bytes(),
    };
    match write(state, &record).await {
        // Another request's, with another request's id in it.
        Ok(()) | Err(ledger::append::Error::Conflict { .. }) => Ok(()),
        Err(error) => Err(refused(error.into())),
    }
}

/// What one access looks like on the trail. The actor is its type and id.
pub(crate) fn entry(
    (kind, id): (&str, &str),
    action: &str,
    activity: &str,
    target: &serde_json::Value,
    metadata: &serde_json::Value,
) -> serde_json::Value {
    json!({
        "partition": SYSTEM,
        "action": action,
        "activity": activity,
        "actor": {"type": kind, "id": id},
        "targets": [target],
        "context": {"request_id": service::request::id()},
        "metadata": metadata,
    })
}

fn refused(error: anyhow::Error) -> ApiError {
    ApiError::unavailable("access_record_unavailable", error)
}

/// Closes the windows of a tenant (of all when absent) and writes what is closed. In a task of its
/// own: a request that is given up must not take records with it.
pub(crate) async fn close_and_write(state: &State, tenant: Option<Uuid>) {
    let state = state.clone();
    let task = async move {
        let records = state.access_records();
        records.close(|of, _| tenant.is_none_or(|tenant| tenant == of));
        write_closed(&state).await;
    };
    if let Err(stopped) = tokio::spawn(task).await {
        tracing::error!(error = %stopped, "access records were not written");
    }
}

/// Each record is tried once; what fails waits for the next time, and so does what is in hand when
/// this is dropped. A crash between the append and the end of this loop repeats nothing, since the
/// next process has nothing to repeat.
async fn write_closed(state: &State) {
    let records = state.access_records();
    for _ in 0..records.waiting() {
        let Some(mut record) = records.next() else {
            return;
        };
        // Kept whatever the reason: when its tenant's share is full, reads wait for it.
        if let Err(error) = record.write(state).await {
            tracing::warn!(%error, "an access record waits");
        }
    }
}

async fn write(state: &State, record: &Record) -> Result<(), ledger::append::Error> {
    let entry = chain::Entry::parse(&record.body, RECORDER, record.id)
        .expect("an entry that this file writes is one of the format");
    let append = Append {
        tenant: record.tenant.clone(),
        partition: SYSTEM.to_owned(),
        entries: Entries::new(vec![entry]),
        // Our own records do not depend on whether the tenant is in order.
        admit: std::sync::Arc::new(|| true),
    };
    state.append(append).await.map(drop)
}

/// Until `shutdown`, then once more with everything. A stop never waits for a write that hangs.
pub(crate) async fn run(state: &State, shutdown: &Shutdown) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.wait() => break,
            _ = ticks.tick() => {}
        }
        let records = state.access_records();
        records.close(|_, opened| opened.elapsed() >= WINDOW);
        tokio::select! {
            () = shutdown.wait() => break,
            () = write_closed(state) => {}
        }
    }
    let last = async {
        state.access_records().close(|_, _| true);
        write_closed(state).await;
        while state.access_records().unwritten() > 0 {
            tokio::time::sleep(LAST_PAUSE).await;
            write_closed(state).await;
        }
    };
    if tokio::time::timeout(LAST_PATIENCE, last).await.is_err() {
        let lost = state.access_records().unwritten();
        tracing::error!(lost, "access records could not be written before the stop");
    }
}

/// Of this host: a record says when a read was, its entry's `received_at` when it was recorded.
fn now() -> Timestamp {
    let micros = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0));
    Timestamp::from_micros(micros).expect("this century is within the format's years")
}
