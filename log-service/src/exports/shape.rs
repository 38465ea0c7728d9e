//! What goes over the wire about jobs. Nothing is decided here.

use std::collections::BTreeMap;

use export::jobs::{Failure, Job};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// An export job.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportJob {
    id: Uuid,
    #[schema(value_type = ExportState)]
    state: export::jobs::State,
    #[schema(value_type = ExportFormat)]
    format: export::Format,
    gzip: bool,
    /// Asked for by name; all that the asker could read when empty
    partitions: Vec<String>,
    filter: BTreeMap<String, String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// `type:id`
    created_by: String,
    /// Of the download
    file_name: String,
    progress: ExportProgress,
    #[schema(format = DateTime)]
    started_at: Option<String>,
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// When the file goes
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// What it is about: fixed when it was asked for
    chains: Vec<ExportChain>,
    /// Of a finished job
    result: Option<ExportResult>,
    /// Of a failed job
    failure: Option<ExportFailure>,
}

/// How far a job is.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportProgress {
    /// Entries in the file so far
    rows: u64,
    /// Entries read and verified so far
    scanned: u64,
    /// Entries to be read
    total: u64,
}

/// The entries of a chain that are looked at: `from` ≤ seq < `to`.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportChain {
    partition: String,
    generation: u32,
    from: u64,
    to: u64,
    /// Of the last of them, once the job is finished: what the chain's evidence shows as well
    hash: Option<String>,
}

/// The file.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportResult {
    rows: u64,
    bytes: u64,
    /// Of the file as it is downloaded
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
}

/// Why there is no file.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportFailure {
    /// `damaged_entry`, `unknown_version`, `tenant_suspended`, `too_large`, `store_refused`, `abandoned`, `internal`
    code: String,
    /// The first entry that is not what was recorded
    #[schema(value_type = Option<DamagedEntry>)]
    entry: Option<export::Damage>,
}

/// A page of jobs.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportList {
    pub(super) exports: Vec<ExportJob>,
    /// For the next page; null when there is none
    #[schema(required = true)]
    pub(super) next: Option<Uuid>,
}

/// A link that needs no further credentials.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportLink {
    pub(super) url: String,
    /// Seconds
    pub(super) expires_in: u64,
}

impl From<&Job> for ExportJob {
    fn from(job: &Job) -> Self {
        let request = &job.request;
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let chain = |(index, stretch): (usize, &export::Stretch)| ExportChain {
            partition: stretch.partition.clone(),
            generation: stretch.generation,
            from: stretch.from,
            to: stretch.to,
            hash: job
                .hashes
                .get(index)
                .and_then(|hash| Some((*hash)?.to_string())),
        };
        Self {
            id: job.id,
            state: job.state,
            format: request.format,
            gzip: request.gzip,
            partitions: request.partitions.clone(),
            filter: request.filter.terms().map(own).collect(),
            created_at: job.created_at.to_string(),
            created_by: job.created_by.clone(),
            file_name: job.file_name(),
            progress: ExportProgress {
                rows: job.progress.rows,
                scanned: job.progress.scanned,
                total: job.total,
            },
            started_at: job.started_at.map(|moment| moment.to_string()),
            ended_at: job.ended_at.map(|moment| moment.to_string()),
            expires_at: job.expires_at.map(|moment| moment.to_string()),
            chains: job.stretches.iter().enumerate().map(chain).collect(),
            result: job.summary.as_ref().map(|summary| ExportResult {
                rows: summary.rows,
                bytes: summary.bytes,
                sha256: hex(&summary.sha256),
            }),
            failure: job.failure.clone().map(ExportFailure::from),
        }
    }
}

impl From<Failure> for ExportFailure {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code,
            entry: failure.damage,
        }
    }
}

pub(super) fn hex(bytes: &[u8; 32]) -> String {
    // The same 64 digits as of any hash here.
    export::Hash(*bytes).to_string()
}

/// Which jobs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// `next` of the page before
    pub(super) after: Option<Uuid>,
    /// 1 to 100; 20 when absent
    #[param(minimum = 1, maximum = 100)]
    pub(super) limit: Option<u32>,
}

/// How to get the file.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Way {
    /// `true` for a link of 60 s to the object store instead of the file, where the store has links
    #[serde(default)]
    pub(super) link: bool,
}

/// What a job is at.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes what `export` serialises")]
pub(crate) enum ExportState {
    Queued,
    Running,
    Finished,
    Failed,
    Cancelled,
    /// The file is gone
    Expired,
}

/// The form of the file.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes what `export` serialises")]
pub(crate) enum ExportFormat {
    Csv,
    Jsonl,
    Evidence,
}

/// An entry that is not what was recorded.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `export` serialises")]
pub(crate) struct DamagedEntry {
    partition: String,
    generation: u32,
    seq: i64,
    /// The column or member that is wrong
    place: String,
    message: String,
}
