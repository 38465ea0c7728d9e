//! What a run can be told. The only file here that reads the environment.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use url::Url;

/// Measures Veritrail against PostgreSQL and OpenSearch alone, on this machine, in one run: every figure is a
/// ratio of two measurements made in turn, since a figure by itself says more about the machine.
#[derive(Debug, Clone, Parser)]
#[command(version, about)]
pub(crate) struct Config {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    pub(crate) rows: Vec<Row>,

    /// Seconds of each measurement, after a tenth of it to warm up
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub(crate) seconds: u64,

    /// How often each comparison is made; the medians count
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=50))]
    pub(crate) rounds: u64,

    /// Seconds to wait, before each measurement, for others to leave the machine alone
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub(crate) patience: u64,

    /// Entries that are there before the appends of `size-v7` and `size-v4`; 1.8 KB of disk each
    #[arg(long, default_value_t = 20_000_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    pub(crate) entries: u64,

    /// Entries of the exports in `export`
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub(crate) exported: u64,

    /// Entries of the export in `export-memory`; 3.6 KB of disk each
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(100_000..=100_000_000))]
    pub(crate) exported_by_worker: u64,

    /// Entries that are indexed in `index`
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000))]
    pub(crate) indexed: u64,

    /// Entries that are searched in `search` and `embedded`
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1_000..=50_000_000))]
    pub(crate) searched: u64,

    /// Tenants of `tenants`
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=50_000))]
    pub(crate) tenants: u64,

    /// An OpenSearch 2.x of one node without credentials, which nobody else uses; without it the rows
    /// that need one are left out
    #[arg(long, value_name = "URL", env = "OPENSEARCH_URL")]
    pub(crate) opensearch_url: Option<Url>,

    /// A LocalStack with S3 and SQS; without it the row that needs one is left out
    #[arg(long, value_name = "URL", env = "LOCALSTACK_URL")]
    pub(crate) localstack_url: Option<Url>,

    /// Folder of veritrail and of the programs of its parts; that of this program when left out
    #[arg(long, value_name = "DIR")]
    pub(crate) programs: Option<PathBuf>,

    /// Folder for the databases of the run, deleted at its end
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,

    /// Replaces what stands between the two markers of this Markdown file
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

/// A row of the table, or a few that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// Every row
    All,
    /// Single appends against plain inserts and against a chain that locks its head
    Single,
    /// Appends of 1,000 against COPY
    Bulk,
    /// Time to the acknowledgement at half the largest load
    Latency,
    /// 10,000 chains against one
    Chains,
    /// Two log-services on one chain against one
    Replicas,
    /// A large table against an empty one, with ids v7 of the caller's own
    SizeV7,
    /// The same with ids v4
    SizeV4,
    /// Verification against hashing alone
    Verify,
    /// A finished CSV file against psql's copy of the same columns
    Export,
    /// Memory of an export-worker while it exports 10 million rows
    ExportMemory,
    /// One tenant beside another at full load
    Neighbours,
    /// Bytes on disk against bytes posted
    Disk,
    /// Live streams: from the receipt to the delivery
    Stream,
    /// The second start, and memory under load
    Start,
    /// Documents indexed into OpenSearch against raw bulks of the same documents
    Index,
    /// A search through the API against the same query to OpenSearch
    Search,
    /// Filter and full text over millions of entries in the embedded index
    Embedded,
    /// From an append until a search finds the entry
    Lag,
    /// Appends beside indexing and a live stream against appends alone
    Beside,
    /// Thousands of tenants with an index each on one OpenSearch
    Tenants,
}

impl Config {
    /// Whether a row was asked for by its name.
    pub(crate) fn names(&self, row: Row) -> bool {
        self.rows.contains(&row)
    }

    /// Whether a row is to be measured.
    pub(crate) fn wants(&self, row: Row) -> bool {
        self.rows.contains(&row) || self.rows.contains(&Row::All)
    }
}
