//! The program `log-service`: one listener for the API, one for metrics, until a signal.

use anyhow::{Context as _, ensure};
use clap::{Args, Parser};
use secrecy::SecretString;
use service::Shutdown;
use tokio::net::TcpListener;

use crate::config::Listen;
use crate::{Config, State};

/// The front of the audit trail: append, read, verify.
///
/// Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "log-service", version, flatten_help = true)]
pub enum Program {
    /// Serve the API
    Serve(Box<Serve>),
    /// Create the schemas `ledger`, `export` and `queue`, or bring them up to date
    Migrate(Migrate),
}

#[derive(Args, Debug)]
pub struct Serve {
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    http: service::config::Http,
    #[command(flatten)]
    telemetry: service::config::Telemetry,
}

#[derive(Args, Debug)]
pub struct Migrate {
    /// PostgreSQL URL of a user who may create roles and schemas
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: SecretString,
}

impl Program {
    /// From the command line; options without a command are those of `serve`.
    pub fn from_arguments() -> Self {
        let mut arguments: Vec<_> = std::env::args_os().collect();
        let first = arguments.get(1).and_then(|first| first.to_str());
        let about = ["-h", "--help", "-V", "--version"];
        if first.is_none_or(|first| first.starts_with('-') && !about.contains(&first)) {
            arguments.insert(1.min(arguments.len()), "serve".into());
        }
        Self::parse_from(arguments)
    }

    /// Until it is done, or a signal asks it to stop.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            // Boxed: the other commands would carry its size about.
            Self::Serve(serve) => Box::pin(serve.run()).await,
            Self::Migrate(migrate) => crate::migrate(&migrate.database_url).await,
        }
    }
}

impl Serve {
    async fn run(self) -> anyhow::Result<()> {
        let store = self.config.exports.store_url.as_deref();
        ensure!(
            !store.is_some_and(|store| store.starts_with("file:")),
            "STORE_URL: export-worker would not see the files of a directory of this process"
        );
        let index = self.config.index.index_url.as_ref();
        ensure!(
            index.is_none_or(|index| index.scheme() != "file"),
            "INDEX_URL: indexer-worker would not see the files of a directory of this process"
        );
        service::telemetry::init(&self.telemetry.log)?;
        service::metrics::init()?;
        let shutdown = Shutdown::on_signals()?;
        let settings = self.http.settings()?;
        let listener = TcpListener::bind(self.listen.listen)
            .await
            .context("LISTEN")?;
        // The pollers of auth-service and the access records outlive the last request.
        let after = Shutdown::new();
        let state = State::start(self.config, &after).await?;
        let beside = tokio::spawn(crate::run(state.clone(), after.clone()));
        if let Some(address) = self.telemetry.admin_listen {
            let admin = TcpListener::bind(address).await.context("ADMIN_LISTEN")?;
            let router = service::metrics::router().merge(crate::health(&state).detailed());
            tokio::spawn(service::http::serve(
                admin,
                router,
                settings.clone(),
                after.clone(),
            ));
        }
        tracing::info!(address = %listener.local_addr()?, "log-service serves");
        let (streams, stopping) = (state.clone(), shutdown.clone());
        let streams = tokio::spawn(async move {
            stopping.wait().await;
            crate::close_streams(&streams).await;
        });
        let health = crate::health(&state).router(state.access().clone());
        let router = service::docs::mount(
            crate::router(state),
            service::docs::Part::Trail,
            "Veritrail log-service",
            env!("CARGO_PKG_VERSION"),
        );
        let served = service::http::serve(listener, router.merge(health), settings, shutdown).await;
        if served.is_ok() {
            streams.await?;
        }
        after.begin();
        beside.await?;
        Ok(served?)
    }
}
