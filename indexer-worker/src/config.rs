//! What an operator can set; the only place that reads the environment.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use ledger::Followed;
use ledger::follow::Config as Database;
use queue::Queue;
use search::Search;
use secrecy::SecretString;

use crate::{Settings, State};

/// Settings of indexer-worker. Each is an option and an environment variable.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// PostgreSQL URL of the database that holds schema `ledger`; its user is a member of
    /// `veritrail_follow`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,

    #[command(flatten)]
    pub search: search::Config,

    #[command(flatten)]
    pub hints: service::config::Hints,

    /// Chains that are indexed at once
    #[arg(long, env = "INDEX_CHAINS", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub index_chains: u16,

    /// Most entries of one bulk
    #[arg(long, env = "INDEX_BULK_ENTRIES", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub index_bulk_entries: u32,

    /// Most bytes of entries in one bulk
    #[arg(long, env = "INDEX_BULK_BYTES", default_value_t = 4 << 20, value_parser = clap::value_parser!(u64).range(65_536..=67_108_864))]
    pub index_bulk_bytes: u64,

    /// Where the index of a new tenant is made; it stays there until `rebuild --placement` moves it
    #[arg(long, env = "INDEX_PLACEMENT", value_enum, default_value_t = Placement::Own)]
    pub index_placement: Placement,
}

/// Where a tenant's documents are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Placement {
    /// In an index of its own
    Own,
    /// In one of a few indices that many small tenants share
    Pooled,
}

impl From<Placement> for search::Placement {
    fn from(placement: Placement) -> Self {
        match placement {
            Placement::Own => Self::Own,
            Placement::Pooled => Self::Pooled,
        }
    }
}

impl Config {
    /// For a process of its own: an index that no other process can search is refused.
    pub(crate) async fn open_shared(&self) -> anyhow::Result<State> {
        let url = self.search.index_url.as_ref();
        let embedded = url.is_some_and(|url| url.scheme() == "file");
        ensure!(
            !embedded,
            "INDEX_URL: a directory can be indexed by the process alone that searches it"
        );
        self.open().await
    }

    /// Opens what the settings name. A server that is down is no error here.
    pub async fn open(&self) -> anyhow::Result<State> {
        let settings = self.search.settings()?.context("INDEX_URL is not set")?;
        let search: Arc<dyn Search> = search::open(settings).await.context("INDEX_URL")?;
        let queue: Option<Arc<dyn Queue>> = match &self.hints.index_queue_url {
            Some(url) => Some(queue::open(url).await.context("INDEX_QUEUE_URL")?),
            None => None,
        };
        let mut database = Database::new(self.database_url.clone());
        database.connections = u32::from(self.index_chains) * 2 + 2;
        let ledger = Followed::new(database).context("DATABASE_URL")?;
        State::new(ledger, search, queue, self.settings(), None)
    }

    fn settings(&self) -> Settings {
        Settings {
            at_once: usize::from(self.index_chains),
            rows: self.index_bulk_entries,
            bytes: self.index_bulk_bytes,
            placement: self.index_placement.into(),
            ..Settings::default()
        }
    }
}
