//! Which entries are meant, and what is done with them: `search` and `export`.

use std::path::PathBuf;

use clap::Args;

use super::Connection;

/// Options of `search`. All conditions given must hold.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Words that stand in the entry: `card declin*`, `'"card was declined"'`; after `--` also words
    /// that do not: `-- card -refund`
    #[arg(value_name = "WORDS")]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) conditions: Conditions,
    /// How many
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 20)]
    pub(crate) count: u32,
    /// As many as there are
    #[arg(long, conflicts_with = "count")]
    pub(crate) all: bool,
    /// The oldest first
    #[arg(long)]
    pub(crate) oldest: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Values that entries have.
#[derive(Debug, Args)]
#[command(next_help_heading = "Conditions")]
pub(crate) struct Conditions {
    /// `invoice.paid`, or `invoice.*` for all below
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Option<String>,
    /// `create`, `read`, `update`, `delete` or `other`
    #[arg(long, value_name = "ACTIVITY")]
    pub(crate) activity: Option<String>,
    /// `info`, `warning`, `error` or `critical`
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) severity: Option<String>,
    /// `success`, `failure` or `unknown`
    #[arg(long, value_name = "OUTCOME")]
    pub(crate) outcome: Option<String>,
    /// Who did it
    #[arg(long, value_name = "ID")]
    pub(crate) actor_id: Option<String>,
    /// What sort of actor: `user`, `service`
    #[arg(long, value_name = "TYPE")]
    pub(crate) actor_type: Option<String>,
    /// Who posted it, as `type:id`
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) recorded_by: Option<String>,
    /// What it was done to: `invoice`
    #[arg(long, value_name = "TYPE")]
    pub(crate) target_type: Option<String>,
    /// Which one it was done to
    #[arg(long, value_name = "ID")]
    pub(crate) target_id: Option<String>,
    /// What belongs together
    #[arg(long, value_name = "ID")]
    pub(crate) correlation_id: Option<String>,
    /// The request that it was part of
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
    /// The session that it was part of
    #[arg(long, value_name = "ID")]
    pub(crate) session_id: Option<String>,
    /// Where the request came from
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Option<String>,
    /// A field that was changed
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Option<String>,
    /// A label; may be given again
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) label: Vec<String>,
    /// What stands in the metadata, members within members with dots between; may be given again
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) metadata: Vec<String>,
    /// Only this partition
    #[arg(long, value_name = "NAME")]
    pub(crate) partition: Option<String>,
    /// Received at this time (RFC 3339) or later
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Received before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
}

/// Options of `export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Only entries in which these words stand, as for `search`
    #[arg(value_name = "WORDS")]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) conditions: Conditions,
    /// Only these partitions
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        conflicts_with = "partition"
    )]
    pub(crate) partitions: Vec<String>,
    /// Form of the file
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
    pub(crate) format: ExportFormat,
    /// Compress the file
    #[arg(long)]
    pub(crate) gzip: bool,
    /// The file; left out, as the server names it. `-` with --direct: standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Without a job: the server writes while it reads, and an interruption ends it
    #[arg(long, conflicts_with = "job")]
    pub(crate) direct: bool,
    /// Fetch the file of this job instead of asking for a new one
    #[arg(long, value_name = "ID")]
    pub(crate) job: Option<uuid::Uuid>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Forms of an export.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// One row an entry, for spreadsheets
    Csv,
    /// One entry a line, as the API shows it
    Jsonl,
    /// One entry a line, as exact texts to be hashed
    Evidence,
}

impl ExportFormat {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Evidence => "evidence",
        }
    }
}
