//! The program `export-worker`: works until a signal. One listener, for operators alone.

use anyhow::Context as _;
use clap::{Args, Parser};
use service::Shutdown;
use tokio::net::TcpListener;

use crate::Config;

/// From the ledger into the object store.
///
/// Without a command it works.
#[derive(Debug, Parser)]
#[command(name = "export-worker", version, flatten_help = true)]
pub enum Program {
    /// Work on export jobs, until a signal
    Work(Box<Work>),
}

#[derive(Args, Debug)]
pub struct Work {
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    telemetry: service::config::Telemetry,
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

    /// Until a signal asks it to stop.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self::Work(work) = self;
        work.run().await
    }
}

impl Work {
    async fn run(self) -> anyhow::Result<()> {
        service::telemetry::init(&self.telemetry.log)?;
        service::metrics::init()?;
        let shutdown = Shutdown::on_signals()?;
        // The status feed is followed until the last job was given back.
        let after = Shutdown::new();
        let state = self.config.open_shared(&after).await?;
        let mut serving = None;
        if let Some(address) = self.telemetry.admin_listen {
            let admin = TcpListener::bind(address).await.context("ADMIN_LISTEN")?;
            let router = service::metrics::router().merge(crate::health(&state).detailed());
            serving = Some(tokio::spawn(service::http::serve(
                admin,
                router,
                service::http::Settings::default(),
                after.clone(),
            )));
        }
        tracing::info!("export-worker works");
        crate::run(state.clone(), shutdown).await;
        after.begin();
        if let Some(serving) = serving {
            serving.await??;
        }
        state.close().await;
        Ok(())
    }
}
