//! The program `auth-service`: one listener for the API, one for metrics, until a signal; and the commands beside it.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use service::Shutdown;
use service::health::Health;
use tokio::net::TcpListener;

use crate::config::Listen;
use crate::{Config, Credentials, Revoked, State};

/// Tenants, users, API keys, tokens and the keys that sign them.
///
/// Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "auth-service", version, flatten_help = true)]
pub enum Program {
    /// Serve the API
    Serve(Box<Serve>),
    /// Create the first operator, tenant, admin and service account, once
    Bootstrap(Box<Bootstrap>),
    /// Create the schema `auth`, or bring it up to date
    Migrate(Migrate),
    /// Signing keys
    #[command(subcommand)]
    Keys(Keys),
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
pub struct Bootstrap {
    /// File that the credentials are written to before they come into force, or read from when it is there
    #[arg(long, env = "CREDENTIALS_FILE", default_value = "credentials.json")]
    credentials_file: PathBuf,

    /// Name of the installation, as in `audit.example.com`; part of every chain, never changed
    #[arg(long, env = "ORIGIN")]
    origin: String,

    #[command(flatten)]
    config: Config,
}

#[derive(Args, Debug)]
pub struct Migrate {
    /// PostgreSQL URL of a user who may create schemas
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: SecretString,
}

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Take a signing key back that somebody else may have: every token that it signed ends within seconds, and a new key signs from now on
    Revoke(Box<Revoke>),
}

#[derive(Args, Debug)]
pub struct Revoke {
    /// The key's `kid`, as in `/.well-known/jwks.json` and in the header of its tokens
    kid: String,

    /// Why, for the trails of the tenants
    #[arg(long)]
    reason: Option<String>,

    #[command(flatten)]
    config: Config,
}

impl Program {
    /// From the command line; options without a command are those of `serve`.
    pub fn from_arguments() -> Program {
        let mut arguments: Vec<_> = std::env::args_os().collect();
        let first = arguments.get(1).and_then(|first| first.to_str());
        let about = ["-h", "--help", "-V", "--version"];
        if first.is_none_or(|first| first.starts_with('-') && !about.contains(&first)) {
            arguments.insert(1.min(arguments.len()), "serve".into());
        }
        Program::parse_from(arguments)
    }

    /// Until it is done, or a signal asks it to stop.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Program::Serve(serve) => serve.run().await,
            Program::Bootstrap(bootstrap) => bootstrap.run().await,
            Program::Migrate(migrate) => crate::migrate(&migrate.database_url).await,
            Program::Keys(Keys::Revoke(revoke)) => revoke.run().await,
        }
    }
}

impl Serve {
    async fn run(self) -> anyhow::Result<()> {
        service::telemetry::init(&self.telemetry.log)?;
        service::metrics::init()?;
        let shutdown = Shutdown::on_signals()?;
        let settings = self.http.settings()?;
        let listener = TcpListener::bind(self.listen.listen)
            .await
            .with_context(|| format!("cannot listen on {}", self.listen.listen))?;
        let state = State::start(self.config).await?;
        // The outbox is delivered until the last request was answered.
        let after = Shutdown::new();
        let beside = tokio::spawn(crate::run(state.clone(), after.clone()));
        if let Some(address) = self.telemetry.admin_listen {
            let admin = TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address} for metrics"))?;
            let router = service::metrics::router().merge(health(&state).detailed());
            tokio::spawn(service::http::serve(
                admin,
                router,
                settings.clone(),
                after.clone(),
            ));
        }
        tracing::info!(address = %listener.local_addr()?, "auth-service serves");
        let health = health(&state).router(state.access().clone());
        let version = env!("CARGO_PKG_VERSION");
        let router = service::docs::mount(
            crate::router(state),
            service::docs::Part::Accounts,
            "Veritrail auth-service",
            version,
        );
        let served = service::http::serve(listener, router.merge(health), settings, shutdown).await;
        after.begin();
        beside.await?;
        Ok(served?)
    }
}

impl Bootstrap {
    /// The file is on the disk before the transaction, so a kill between the two is made good by the next call.
    async fn run(self) -> anyhow::Result<()> {
        service::telemetry::init("info")?;
        let file = &self.credentials_file;
        let credentials = match Credentials::read(file)? {
            Some(credentials) => credentials,
            None if crate::bootstrapped(&self.config).await? => {
                tracing::info!("the database is set up already");
                return Ok(());
            }
            None => {
                let url = self.config.database_url.expose_secret();
                let credentials = Credentials::generate(url, &self.origin);
                credentials.write(file)?;
                credentials
            }
        };
        if crate::bootstrap(&self.config, &credentials).await? {
            tracing::info!(file = %file.display(), "set up; keep the credentials and remove the file");
        } else {
            tracing::info!("the database is set up already");
        }
        Ok(())
    }
}

impl Revoke {
    async fn run(self) -> anyhow::Result<()> {
        service::telemetry::init("info")?;
        let kid = &self.kid;
        let reason = self.reason.as_deref();
        match crate::revoke_signing_key(&self.config, kid, reason).await? {
            Revoked::Now { successor } => tracing::info!(kid, successor, "revoked"),
            Revoked::Before => tracing::info!(kid, "was revoked before"),
        }
        Ok(())
    }
}

/// What has to be in order for this process to answer.
pub fn health(state: &State) -> Health {
    let (database, access) = (state.clone(), state.access().clone());
    Health::new()
        .check("auth database", move || {
            let state = database.clone();
            async move { state.check_database().await }
        })
        .check("auth status", move || {
            let ready = access.ready();
            async move { ready }
        })
}
