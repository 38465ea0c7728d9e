//! What goes over the wire, for the OpenAPI description. Entries are never read or written through
//! these shapes: that is the format's, in `chain`.

#![expect(dead_code, reason = "the shapes describe, nothing builds them")]

pub(crate) mod posted;
pub(crate) mod stats;

use std::collections::BTreeMap;

use service::error::Problem;
use utoipa::{IntoParams, IntoResponses, ToSchema};
use uuid::Uuid;

use self::posted::NewEntry;

/// What every route can answer.
#[derive(IntoResponses)]
pub(crate) enum Refusals {
    /// No credential, or not a good one
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// Not this role, or the tenant is suspended or archived
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// These places are wrong
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
    /// Not now; `Retry-After` says when
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// What appending can answer beside that.
#[derive(IntoResponses)]
pub(crate) enum BodyRefusals {
    /// The body stopped coming
    #[response(status = 408, content_type = "application/problem+json")]
    Timeout(Problem),
    /// The id belongs to an entry of other content, or in another partition
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// The body is too long
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is not `application/json`
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(Problem),
    /// Too many bytes of this tenant, or of all, are in memory
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Problem),
}

/// Where an entry stands in its chain. What it says is durable.
#[derive(ToSchema)]
pub(crate) struct Receipt {
    id: Uuid,
    partition: String,
    /// From 0, without gaps
    seq: u64,
    #[schema(format = DateTime)]
    received_at: String,
    /// SHA-256 over the entry's document: chain link and Merkle leaf
    #[schema(pattern = "^[0-9a-f]{64}$")]
    hash: String,
    /// Hash of the entry before; the chain's genesis hash for `seq` 0
    #[schema(pattern = "^[0-9a-f]{64}$")]
    previous: String,
    /// Only where true: the entry had been there, this is its first receipt
    #[schema(required = false)]
    repeated: bool,
}

/// In the order of the entries.
#[derive(ToSchema)]
pub(crate) struct Receipts {
    receipts: Vec<Receipt>,
}

/// An entry in reading form: the posted members, normalised, and what the service added.
#[derive(ToSchema)]
pub(crate) struct Entry {
    #[schema(inline)]
    #[serde(flatten)]
    posted: NewEntry,
    /// The verified principal that posted it, `type:id`
    recorded_by: String,
    /// The tenant's code
    tenant: String,
    seq: u64,
    #[schema(format = DateTime)]
    received_at: String,
    /// Only from 2 on
    generation: Option<u32>,
    hash: String,
    previous: String,
    /// Names of the personal parts that were erased
    erased: Option<Vec<String>>,
}

/// A page of a list.
#[derive(ToSchema)]
#[schema(as = EntryPage)]
pub(crate) struct Page {
    entries: Vec<Entry>,
    /// For the next page; null when there is nothing left
    #[schema(required = true)]
    next: Option<String>,
    /// False when the page ended before it was full, because enough was searched for one answer:
    /// ask for the next one
    complete: bool,
    /// Entries that are not what was recorded; only where there are some
    unreadable: Option<Vec<Unreadable>>,
}

/// An entry whose stored texts cannot be read: somebody wrote to the database.
#[derive(ToSchema)]
#[schema(as = UnreadableEntry)]
pub(crate) struct Unreadable {
    partition: String,
    generation: u32,
    seq: u64,
}

/// An entry in evidence form.
#[derive(ToSchema)]
#[schema(as = EntryEvidence)]
pub(crate) struct Evidence {
    /// The exact text whose hash is the entry's
    document: String,
    /// The personal parts that are there, by name
    parts: BTreeMap<String, Part>,
}

#[derive(ToSchema)]
#[schema(as = EntryEvidencePart)]
pub(crate) struct Part {
    /// The part's own salt: 32 hexadecimal digits
    salt: String,
    /// The exact text that was hashed
    text: String,
}

/// Which entries: all conditions given must hold.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Conditions {
    /// Only this partition
    partition: Option<String>,
    /// Received at this time (RFC 3339) or later
    from: Option<String>,
    /// Received before this time
    to: Option<String>,
    /// Words that all have to stand in the entry: `declined card`, `"card was declined"` for words that
    /// follow one another, `-refund` for one that must not be there, `declin*` for all that begin alike.
    /// Without personal parts for viewers
    q: Option<String>,
    /// `invoice.paid`, or `invoice.*` for all below
    action: Option<String>,
    activity: Option<String>,
    /// `info` also where an entry says nothing
    severity: Option<String>,
    /// `outcome.status`
    outcome: Option<String>,
    actor_id: Option<String>,
    actor_type: Option<String>,
    /// `type:id`
    recorded_by: Option<String>,
    /// With `target_id`: of the same target
    target_type: Option<String>,
    target_id: Option<String>,
    correlation_id: Option<String>,
    /// Personal: not for viewers
    request_id: Option<String>,
    /// Personal: not for viewers
    session_id: Option<String>,
    /// An address in any of its spellings. Personal: not for viewers
    ip: Option<String>,
    /// `changes[].field`. Personal: not for viewers
    field: Option<String>,
    // `label.NAME` and `metadata.PATH` have names of their own, so no description has them as parameters.
}

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// `asc` or `desc`; `desc` when absent
    order: Option<String>,
    /// 1 to 1,000; 100 when absent
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// `next` of the page before, with the same conditions and order
    cursor: Option<String>,
    /// With `partition`: wait until the search index has its entry with this seq, at most 10 s, then 503
    /// `not_searchable_yet`; when the index is down, the ledger answers at once
    wait_for: Option<u64>,
}

/// One frame of a stream; `type` says which of its members it has.
#[derive(ToSchema)]
#[schema(as = StreamFrame)]
pub(crate) struct Frame {
    r#type: FrameType,
    /// Everything up to this frame was delivered to whoever goes on with this as `after`
    cursor: Option<String>,
    /// Of `entry`: in reading form; without personal parts for viewers
    entry: Option<Entry>,
    /// Of `lagged` and `unreadable`
    partition: Option<String>,
    /// Of `lagged` and `unreadable`, from 2 on
    generation: Option<u32>,
    /// Of `lagged` and `unreadable`: the first seq
    from: Option<u64>,
    /// Of `lagged` and `unreadable`: the seq to stop before
    to: Option<u64>,
    /// Of `heartbeat`: false while the trail cannot be read, so that entries may be late
    live: Option<bool>,
    /// Of `authenticated`: for how long the stream may go on, in Unix seconds
    expires_at: Option<i64>,
    /// Of `end`: why
    code: Option<String>,
}

/// What a frame says.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase", as = StreamFrameType)]
pub(crate) enum FrameType {
    /// What was behind the cursor is delivered; from here on entries come as they are committed
    Ready,
    Entry,
    /// The reader was too slow: entries of this stretch, among them some that were asked for, were
    /// left out
    Lagged,
    /// What is stored there is not what was recorded, or gone
    Unreadable,
    /// Every 15 s
    Heartbeat,
    /// A new token was taken
    Authenticated,
    /// The last frame
    End,
}
