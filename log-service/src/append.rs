//! `POST /api/v1/logs` and `/api/v1/logs/bulk`: parse, check, append, receipt. It never stores a
//! part of a request, and never answers before the entries are durable.

mod check;
pub(crate) mod ids;
mod receipt;
mod refusal;

use std::sync::Arc;

use axum::extract;
use axum::response::Response;
use chain::{Entry, Fault, Recorder};
use ledger::{Append, Entries, Receipt};
use service::access::Appender;
use service::body::{Held, Upload};
use service::{ApiError, Caller, Permission, Place, Principal};
use uuid::Uuid;

use self::ids::IdempotencyKey;
use crate::State;
use crate::schema::posted::{NewEntries, NewEntry};
use crate::schema::{self, BodyRefusals, Receipts, Refusals};
use crate::state::tenant;

/// The format allows 52 KiB of event and 256 KiB of parts; twice that and more is left for white
/// space and escapes, since Python writes two bytes of Cyrillic as six.
const ENTRY_LIMIT: usize = 1 << 20;
const BULK_LIMIT: usize = 8 << 20;
const MAX_ENTRIES: usize = 1_000;

/// Up to here parsing and hashing take at most about 3 ms, less than handing them to another thread and
/// back costs in latency under load; beyond, it would hold up the other requests of its thread.
const INLINE_LIMIT: usize = 256 << 10;

/// How the entries stand in the body, which decides how a place in them is named.
#[derive(Clone, Copy)]
enum Shape {
    One,
    Bulk,
}

impl Shape {
    fn limit(self) -> usize {
        match self {
            Self::One => ENTRY_LIMIT,
            Self::Bulk => BULK_LIMIT,
        }
    }

    /// JSON Pointer of a member of the entry at `index`.
    fn pointer(self, index: usize, member: &str) -> String {
        match self {
            Self::One => member.to_owned(),
            Self::Bulk => format!("/entries/{index}{member}"),
        }
    }
}

/// Append one entry
///
/// Answers when the entry is durable. An `id` of your own makes the request safe to repeat.
#[utoipa::path(
    post, path = "/api/v1/logs", operation_id = "append_entry", tag = "append",
    params(("idempotency-key" = Option<String>, Header, description = "1 to 255 visible ASCII characters; the entries without an id get one that follows from it")),
    request_body(content = NewEntry, example = json!({
        "action": "invoice.paid",
        "actor": {"type": "user", "id": "u-4711", "name": "Ann Example"},
        "targets": [{"type": "invoice", "id": "inv-2026-0042"}],
        "outcome": {"status": "success"},
    })),
    responses(
        (status = 201, description = "Stored", body = schema::Receipt, example = json!({
            "id": "0199c3a1-7c00-7000-8000-000000000001",
            "partition": "default",
            "seq": 41,
            "received_at": "2026-01-15T10:30:00.000000Z",
            "hash": "6f0c…", "previous": "19be…",
        })),
        (status = 200, description = "Had been stored: the first receipt", body = schema::Receipt),
        Refusals, BodyRefusals,
    ),
)]
pub(crate) async fn append(
    extract::State(state): extract::State<State>,
    Appender(caller): Appender,
    key: Option<IdempotencyKey>,
    upload: Upload,
) -> Result<Response, ApiError> {
    let receipts = store(&state, caller, key, upload, Shape::One).await?;
    receipt::one(&receipts)
}

/// Append up to 1,000 entries
///
/// All of them or none, consecutively, in one partition; at least one error for each bad entry.
#[utoipa::path(
    post, path = "/api/v1/logs/bulk", operation_id = "append_entries", tag = "append",
    params(("idempotency-key" = Option<String>, Header, description = "1 to 255 visible ASCII characters; the entries without an id get one that follows from it")),
    request_body(content = NewEntries, example = json!({"entries": [{"action": "invoice.created"}, {"action": "invoice.paid"}]})),
    responses(
        (status = 201, description = "Stored", body = Receipts),
        (status = 200, description = "All had been stored: their first receipts", body = Receipts),
        Refusals, BodyRefusals,
    ),
)]
pub(crate) async fn bulk(
    extract::State(state): extract::State<State>,
    Appender(caller): Appender,
    key: Option<IdempotencyKey>,
    upload: Upload,
) -> Result<Response, ApiError> {
    let receipts = store(&state, caller, key, upload, Shape::Bulk).await?;
    Ok(receipt::many(&receipts))
}

async fn store(
    state: &State,
    caller: Caller,
    key: Option<IdempotencyKey>,
    upload: Upload,
    shape: Shape,
) -> Result<Vec<Receipt>, ApiError> {
    caller.require(Permission::Append)?;
    let tenant = tenant(&caller)?;
    let body = upload.read_json(shape.limit()).await?;
    // The body stays in its budget until the answer: its entries are in memory as long.
    let (_held, parsed) = parse(state, body, caller.principal, key, shape).await?;
    let entries = parsed.map_err(invalid)?;
    let personal_ids = state.access().takes_personal_ids(&caller);
    check::entries(&caller, &entries, personal_ids, shape)?;
    let partition = entries[0].partition().to_owned();

    let caller = Arc::new(caller);
    let admit = {
        let (access, caller) = (state.access().clone(), Arc::clone(&caller));
        Arc::new(move || access.admit_append(&caller))
    };
    let count = entries.len() as u64;
    let append = Append {
        tenant: tenant.clone(),
        partition,
        entries,
        admit,
    };
    // Dropped here (the client gave up), the lane still finishes the request: the entries are
    // stored, and asking again with the same ids gives the receipts.
    match state.append(append).await {
        Ok(receipts) => {
            metrics::counter!("entries_appended_total").increment(count);
            Ok(receipts)
        }
        Err(error) => Err(refusal::answer(state, &caller, &tenant, shape, error).await),
    }
}

type Parsed = (Held, Result<Entries, Vec<Fault>>);

async fn parse(
    state: &State,
    body: Held,
    principal: Principal,
    key: Option<IdempotencyKey>,
    shape: Shape,
) -> Result<Parsed, ApiError> {
    let inline = body.len() <= INLINE_LIMIT;
    let work = move || {
        let parsed = entries(&body, principal, key.as_ref(), shape);
        (body, parsed.map(Entries::new))
    };
    if inline {
        return Ok(work());
    }
    let parsing = Arc::clone(state.parsing()).acquire_owned().await;
    let work = move || {
        // Kept by the work, which goes on when the client has given up.
        let _parsing = parsing;
        work()
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|stopped| ApiError::Internal(stopped.into()))
}

fn entries(
    body: &[u8],
    principal: Principal,
    key: Option<&IdempotencyKey>,
    shape: Shape,
) -> Result<Vec<Entry>, Vec<Fault>> {
    let filled = key.and_then(|key| key.fill(body, principal, shape));
    let body = filled.as_deref().unwrap_or(body);
    let mut buffer = Uuid::encode_buffer();
    let recorder = Recorder {
        kind: principal.kind.as_str(),
        id: principal.id.hyphenated().encode_lower(&mut buffer),
    };
    match shape {
        Shape::One => Entry::parse(body, recorder, ids::fresh()).map(|entry| vec![entry]),
        Shape::Bulk => chain::parse_bulk(body, recorder, MAX_ENTRIES, ids::fresh),
    }
}

fn invalid(faults: Vec<Fault>) -> ApiError {
    let place = |fault: Fault| Place::new(fault.pointer, fault.message);
    ApiError::Invalid(faults.into_iter().map(place).collect())
}
