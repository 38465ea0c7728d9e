//! What an operator can set; the only place that reads the environment.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use search::Search;
use secrecy::SecretString;

/// Settings of log-service. Each is an option and an environment variable.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// PostgreSQL URL of the database that holds the schemas `ledger` and `export`; its user is a
    /// member of `veritrail_append`, `veritrail_read` and `veritrail_export_ask`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,

    /// Name of the installation, as in `audit.example.com`; part of every chain, never changed
    #[arg(long, env = "ORIGIN")]
    pub origin: String,

    /// Append connections; the first is at work until it is busy, then other chains use the next; bulks
    /// begin with the last
    #[arg(long, env = "LANES", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub lanes: u16,

    /// Most connections that read
    #[arg(long, env = "READERS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub readers: u32,

    /// Accepts a database that can lose what it acknowledged; for tests only
    #[arg(skip)]
    pub allow_unsafe_server: bool,

    #[command(flatten)]
    pub streams: Streams,

    #[command(flatten)]
    pub auth: service::config::Auth,

    #[command(flatten)]
    pub hints: service::config::Hints,

    #[command(flatten)]
    pub exports: Exports,

    #[command(flatten)]
    pub index: search::Config,

    /// The index that the process has already, instead of one that is configured
    #[arg(skip)]
    pub search: Option<Arc<dyn Search>>,
}

/// Export jobs. Direct exports need none of this.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Exports")]
pub struct Exports {
    /// Where export-worker puts the files, which are downloaded through this service:
    /// `s3://BUCKET/PREFIX`
    #[arg(long, env = "STORE_URL")]
    pub store_url: Option<String>,

    /// Address under which users reach the same object store: links to files name it
    #[arg(long, env = "STORE_PUBLIC_ENDPOINT")]
    pub store_public_endpoint: Option<String>,

    /// Queue that tells export-worker of a new job, `sqs://…` or `postgres://…`
    #[arg(long, env = "EXPORT_QUEUE_URL", hide_env_values = true)]
    pub export_queue_url: Option<SecretString>,

    /// Export jobs that a tenant may have open at once
    #[arg(long, env = "EXPORT_JOBS", default_value_t = EXPORT_JOBS, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub export_jobs: u32,
}

const EXPORT_JOBS: u32 = 4;

impl Default for Exports {
    fn default() -> Self {
        Self {
            store_url: None,
            store_public_endpoint: None,
            export_queue_url: None,
            export_jobs: EXPORT_JOBS,
        }
    }
}

/// How many may follow the trail live.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Streams")]
pub struct Streams {
    /// Live streams at once; more get 429
    #[arg(long, env = "MAX_STREAMS", default_value_t = 4096)]
    pub max_streams: usize,

    /// Live streams of one tenant at once; more get 429
    #[arg(long, env = "MAX_TENANT_STREAMS", default_value_t = 200)]
    pub max_tenant_streams: usize,
}

/// Where the program on its own listens.
#[derive(Args, Clone, Debug)]
pub(crate) struct Listen {
    /// Address and port
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000")]
    pub(crate) listen: SocketAddr,
}
