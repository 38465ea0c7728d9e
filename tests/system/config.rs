//! Where the servers are; the only place that reads the environment.

use clap::Parser;

/// The servers that `servers` starts, as it tells them.
#[derive(Clone, Debug, Parser)]
pub struct Servers {
    /// PostgreSQL, as a superuser
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// LocalStack: S3 and SQS
    #[arg(long, env = "LOCALSTACK_URL")]
    pub localstack_url: String,
    /// OpenSearch
    #[arg(long, env = "OPENSEARCH_URL")]
    pub opensearch_url: String,
}

impl Servers {
    /// # Errors
    /// A variable is missing.
    pub fn from_environment() -> anyhow::Result<Self> {
        Ok(Self::try_parse_from(["servers"])?)
    }
}

/// What a program is given of this process's own environment.
pub(crate) fn inherited() -> impl Iterator<Item = (String, String)> {
    std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME")
}
