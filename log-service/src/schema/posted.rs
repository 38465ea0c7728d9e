//! Entries as they are posted, as the API describes them. It never reads one.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// An entry as it is posted. Null and empty members are the same as absent ones.
///
/// Any other member is refused.
#[derive(ToSchema)]
pub(crate) struct NewEntry {
    /// Permanent idempotency key, unique within the tenant; made by the server when absent
    id: Option<Uuid>,
    /// `default` when absent
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,62}$")]
    partition: Option<String>,
    /// When it happened: RFC 3339, any offset, up to 9 fractional digits
    #[schema(format = DateTime)]
    occurred_at: Option<String>,
    #[schema(max_length = 128, pattern = r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$")]
    action: String,
    /// Version of the action's schema
    #[schema(minimum = 1, maximum = 65535)]
    action_version: Option<u16>,
    activity: Option<Activity>,
    /// Absent is read as `info`
    severity: Option<Severity>,
    /// The caller when absent
    actor: Option<Actor>,
    #[schema(max_items = 32)]
    targets: Option<Vec<Target>>,
    #[schema(max_items = 32)]
    attachments: Option<Vec<Attachment>>,
    outcome: Option<Outcome>,
    #[schema(max_items = 100)]
    changes: Option<Vec<Change>>,
    context: Option<Context>,
    #[schema(max_length = 128)]
    correlation_id: Option<String>,
    #[schema(max_length = 128)]
    causation_id: Option<String>,
    description: Option<String>,
    /// At most 32, operational, not personal: they stay for ever
    labels: Option<BTreeMap<String, String>>,
    metadata: Option<Map<String, Value>>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[schema(as = EntryActivity)]
pub(crate) enum Activity {
    Create,
    Read,
    Update,
    Delete,
    Other,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[schema(as = EntrySeverity)]
pub(crate) enum Severity {
    Info,
    Warning,
    Error,
    Critical,
}

/// Who did it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EntryActor)]
pub(crate) struct Actor {
    /// Usual: user, service, system, agent, job, webhook, anonymous
    #[schema(pattern = "^[a-z][a-z0-9_]{0,31}$")]
    r#type: String,
    /// Opaque and not personal, since it stays for ever: not an e-mail address
    #[schema(min_length = 1, max_length = 256)]
    id: String,
    name: Option<String>,
    email: Option<String>,
    metadata: Option<Map<String, Value>>,
    /// Nearest first
    #[schema(max_items = 8)]
    on_behalf_of: Option<Vec<Principal>>,
}

/// For whom it was done.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EntryOnBehalfOf)]
pub(crate) struct Principal {
    #[schema(pattern = "^[a-z][a-z0-9_]{0,31}$")]
    r#type: String,
    #[schema(min_length = 1, max_length = 256)]
    id: String,
    name: Option<String>,
    email: Option<String>,
}

/// What it was done to.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EntryTarget)]
pub(crate) struct Target {
    #[schema(min_length = 1, max_length = 64)]
    r#type: String,
    #[schema(min_length = 1, max_length = 256)]
    id: String,
    name: Option<String>,
    metadata: Option<Map<String, Value>>,
}

/// A document that belongs to it, by its digest.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EntryAttachment)]
pub(crate) struct Attachment {
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    sha256: String,
    #[schema(max_length = 128)]
    media_type: Option<String>,
    size: Option<u64>,
    name: Option<String>,
    location: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EntryOutcome)]
pub(crate) struct Outcome {
    status: Status,
    #[schema(max_length = 64)]
    code: Option<String>,
    reason: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[schema(as = EntryOutcomeStatus)]
pub(crate) enum Status {
    Success,
    Failure,
    Unknown,
}

/// What changed. `old` and `new` may be any JSON; absent, null and empty are three things.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EntryChange)]
pub(crate) struct Change {
    #[schema(min_length = 1, max_length = 256)]
    field: String,
    #[schema(required = false)]
    old: Value,
    #[schema(required = false)]
    new: Value,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EntryContext)]
pub(crate) struct Context {
    ip: Option<String>,
    user_agent: Option<String>,
    session_id: Option<String>,
    request_id: Option<String>,
    trace_id: Option<String>,
    span_id: Option<String>,
    location: Option<String>,
}

/// Up to 1,000 entries of one partition and 8 MiB: all are stored, consecutively, or none.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEntries {
    #[schema(min_items = 1, max_items = 1000)]
    entries: Vec<NewEntry>,
}
