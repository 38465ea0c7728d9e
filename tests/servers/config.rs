//! What is asked of the command line and the environment; nothing else here reads them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use etcetera::BaseStrategy as _;

/// Starts the servers that the tests need, runs a command that finds their addresses in its
/// environment, and stops them.
#[derive(Debug, Parser)]
pub(crate) struct Config {
    /// Start these servers only.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<Name>,
    /// Never ask a Docker engine.
    #[arg(long)]
    pub(crate) native: bool,
    /// A superuser's address of a PostgreSQL that is used instead of starting one.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// Address of a LocalStack that is used instead of starting one.
    #[arg(long, env = "LOCALSTACK_URL")]
    pub(crate) localstack_url: Option<String>,
    /// Address of an OpenSearch that is used instead of starting one.
    #[arg(long, env = "OPENSEARCH_URL")]
    pub(crate) opensearch_url: Option<String>,
    /// Heap of the OpenSearch that is started, as Java says it: `768m`, `2g`.
    #[arg(long, value_name = "SIZE", default_value = "768m")]
    pub(crate) opensearch_heap: String,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

/// A server that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    Postgres,
    Localstack,
    Opensearch,
}

impl Config {
    /// An empty address is none.
    pub(crate) fn parsed() -> Self {
        let mut config = Self::parse();
        for url in [
            &mut config.database_url,
            &mut config.localstack_url,
            &mut config.opensearch_url,
        ] {
            *url = url.take().filter(|url| !url.is_empty());
        }
        config
    }

    pub(crate) fn wants(&self, name: Name) -> bool {
        self.only.is_empty() || self.only.contains(&name)
    }
}

/// Where downloads are kept from one run to the next.
pub(crate) fn cache() -> PathBuf {
    let user = etcetera::choose_base_strategy().map(|base| base.cache_dir());
    user.unwrap_or_else(|_| std::env::temp_dir())
        .join("veritrail/servers")
}

/// The places of an executable of this name on the search path.
pub(crate) fn on_path(program: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .filter(|file| file.is_file())
        .collect()
}

/// What the environment names as Java's home.
pub(crate) fn java_home() -> Option<PathBuf> {
    std::env::var_os("JAVA_HOME").map(PathBuf::from)
}
