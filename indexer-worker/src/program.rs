//! The program `indexer-worker`: works until a signal, or builds indices anew and ends. One listener,
//! for operators alone.

use anyhow::Context as _;
use clap::{Args, Parser};
use service::Shutdown;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::Config;
use crate::config::Placement;

/// From the ledger into the search index.
///
/// Without a command it works.
#[derive(Debug, Parser)]
#[command(name = "indexer-worker", version, flatten_help = true)]
pub enum Program {
    /// Index what is appended, until a signal
    Work(Box<Work>),
    /// Build search indices anew from the ledger, while appends and searches go on
    Rebuild(Box<Rebuild>),
}

#[derive(Args, Debug)]
pub struct Work {
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    telemetry: service::config::Telemetry,
}

#[derive(Args, Debug)]
#[group(id = "which", required = true, multiple = false, args = ["tenant", "all"])]
pub struct Rebuild {
    /// Id of a tenant; may be repeated
    #[arg(long)]
    tenant: Vec<Uuid>,
    /// All tenants
    #[arg(long)]
    all: bool,
    /// Where the tenant's index is made, now and each later time; as was said before, else as for new tenants, when
    /// not given
    #[arg(long, value_enum)]
    placement: Option<Placement>,
    #[command(flatten)]
    config: Config,
    /// Log level, or directives such as `info,indexer_worker=debug`
    #[arg(long, env = "LOG", default_value = "info")]
    log: String,
}

impl Program {
    /// From the command line; options without a command are those of `work`.
    pub fn from_arguments() -> Self {
        let mut arguments: Vec<_> = std::env::args_os().collect();
        let first = arguments.get(1).and_then(|first| first.to_str());
        let about = ["-h", "--help", "-V", "--version"];
        if first.is_none_or(|first| first.starts_with('-') && !about.contains(&first)) {
            arguments.insert(1.min(arguments.len()), "work".into());
        }
        Self::parse_from(arguments)
    }

    /// Until it is done, or a signal asks it to stop.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Work(work) => work.run().await,
            Self::Rebuild(rebuild) => rebuild.run().await,
        }
    }
}

impl Work {
    async fn run(self) -> anyhow::Result<()> {
        service::telemetry::init(&self.telemetry.log)?;
        service::metrics::init()?;
        let shutdown = Shutdown::on_signals()?;
        let state = self.config.open_shared().await?;
        let after = Shutdown::new();
        let mut serving = None;
        if let Some(address) = self.telemetry.admin_listen {
            let admin = TcpListener::bind(address).await.context("ADMIN_LISTEN")?;
            let router = service::metrics::router().merge(crate::health(&state).detailed());
            let settings = service::http::Settings::default();
            serving = Some(tokio::spawn(service::http::serve(
                admin,
                router,
                settings,
                after.clone(),
            )));
        }
        tracing::info!("indexer-worker works");
        crate::run(state.clone(), shutdown).await;
        after.begin();
        if let Some(serving) = serving {
            serving.await??;
        }
        state.ledger().stop().await;
        Ok(())
    }
}

impl Rebuild {
    async fn run(self) -> anyhow::Result<()> {
        service::telemetry::init(&self.log)?;
        let shutdown = Shutdown::on_signals()?;
        let placement = self.placement.map(Into::into);
        let state = self.config.open_shared().await?;
        if self.all {
            let tenants = state.rebuild_all(placement, &shutdown).await?;
            tracing::info!(tenants, "built anew");
        }
        for tenant in self.tenant {
            let done = state.rebuild(tenant, placement, &shutdown).await?;
            anyhow::ensure!(done, "the index of {tenant} is being built anew already");
            tracing::info!(%tenant, "built anew");
        }
        state.ledger().stop().await;
        Ok(())
    }
}
