//! What an operator can set; the only place that reads the environment.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use export::Jobs;
use export::jobs::Role;
use ledger::Ledger;
use queue::Queue;
use secrecy::SecretString;
use service::access::{AccessConfig, LOGS_AUDIENCE};
use service::{Access, Shutdown};

use crate::{Settings, State};

/// Settings of export-worker. Each is an option and an environment variable.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// PostgreSQL URL of the database that holds the schemas `ledger` and `export`; its user is a
    /// member of `veritrail_read` and `veritrail_export_work`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,

    /// Name of the installation, as in `audit.example.com`; part of every chain, never changed
    #[arg(long, env = "ORIGIN")]
    pub origin: String,

    /// Where the files go: `s3://BUCKET/PREFIX`
    #[arg(long, env = "STORE_URL")]
    pub store_url: String,

    /// Queue that says when there is a job, `sqs://…` or `postgres://…`; without it jobs are found
    /// within 10 s
    #[arg(long, env = "EXPORT_QUEUE_URL", hide_env_values = true)]
    pub export_queue_url: Option<SecretString>,

    /// Jobs at once; each takes about 30 MiB
    #[arg(long, env = "EXPORTS_AT_ONCE", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub exports_at_once: u16,

    /// Hours that the file of a finished job is kept
    #[arg(long, env = "EXPORT_LIFETIME_HOURS", default_value_t = 168, value_parser = clap::value_parser!(u64).range(1..=8_760))]
    pub export_lifetime_hours: u64,

    #[command(flatten)]
    pub auth: service::config::Auth,
}

impl Config {
    /// For a process of its own: a directory that no other process sees is refused.
    pub(crate) async fn open_shared(&self, shutdown: &Shutdown) -> anyhow::Result<State> {
        ensure!(
            !self.store_url.starts_with("file:"),
            "STORE_URL: log-service would not see the files of a directory of this process"
        );
        self.open(shutdown).await
    }

    /// Opens what the settings name, and follows the status feed until `shutdown`. A server that is
    /// down is no error here.
    pub async fn open(&self, shutdown: &Shutdown) -> anyhow::Result<State> {
        let mut database = ledger::Config::new(self.database_url.clone(), self.origin.clone());
        database.readers = u32::from(self.exports_at_once) + 2;
        let ledger = Ledger::read_only(database).context("DATABASE_URL")?;
        let connections = u32::from(self.exports_at_once) + 2;
        let jobs =
            Jobs::open(&self.database_url, Role::Work, connections).context("DATABASE_URL")?;
        let store = store::open(&self.store_url, None)
            .await
            .context("STORE_URL")?;
        let queue: Option<Arc<dyn Queue>> = match &self.export_queue_url {
            Some(url) => Some(queue::open(url).await.context("EXPORT_QUEUE_URL")?),
            None => None,
        };
        let access = AccessConfig {
            auth_url: self.auth.auth_url.clone(),
            issuer: self.auth.issuer.clone(),
            audience: LOGS_AUDIENCE,
            internal_secret: self.auth.internal.resolve()?,
        };
        let access = Access::start(access, shutdown).context("AUTH_URL")?;
        let feed = access.feed().clone();
        Ok(State::new(
            ledger,
            jobs,
            store,
            queue,
            feed,
            self.settings(),
        ))
    }

    fn settings(&self) -> Settings {
        Settings {
            at_once: usize::from(self.exports_at_once),
            lifetime: Duration::from_hours(self.export_lifetime_hours),
            ..Settings::default()
        }
    }
}
