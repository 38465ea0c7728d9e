//! `veritrail up`: everything in one process. The order of a start is the
//! argument that a kill between any two steps is recovered from: the lock, the
//! secret and the name come first, what the secrets open comes last.

mod data;
mod first_start;
#[cfg(target_os = "linux")]
mod growth;
mod pace;
mod server;
mod welcome;
mod workers;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use postgres::{Postgres, Wanted};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::data::DataDir;
pub(crate) use self::first_start::CREDENTIALS;
use crate::config;
use crate::print::Output;

/// Runs until a signal, or until something that it needs ends.
pub(crate) async fn run(config: config::Up, output: Output) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    stop_on_signals(&stop)?;
    let mut data = DataDir::open(&config.data)?;
    let origin = data.origin(config.origin.as_deref())?;
    let secret = data.secret()?;
    let served = match &config.database_url {
        Some(url) => {
            let database = server::Database {
                url: url.clone(),
                owner_url: url.clone(),
                description: "a PostgreSQL elsewhere".to_owned(),
            };
            let installation = server::Installation {
                origin,
                secret,
                database,
            };
            server::run(&mut data, &config, &installation, output, &stop).await
        }
        None => {
            Box::pin(with_postgres(
                &mut data, &config, origin, secret, output, &stop,
            ))
            .await
        }
    };
    data.withdraw_address();
    served?;
    output.note("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn with_postgres(
    data: &mut DataDir,
    config: &config::Up,
    origin: String,
    secret: PathBuf,
    output: Output,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let folder = data.path().to_owned();
    let wanted = Wanted {
        folder: &folder,
        binaries: config.postgres_bin.as_deref(),
        install: !config.no_install,
    };
    let mut postgres = Postgres::start(&wanted, &|text| output.note(text), stop).await?;
    let database = server::Database {
        url: postgres.database_url(),
        owner_url: postgres.owner_url(),
        description: format!("PostgreSQL {}", postgres.version()),
    };
    let installation = server::Installation {
        origin,
        secret,
        database,
    };
    #[cfg(target_os = "linux")]
    let writing = tokio::spawn(growth::write_soon(postgres.data_directory().join("base")));
    let served = {
        let inner = stop.child_token();
        let serving = server::run(data, config, &installation, output, &inner);
        tokio::pin!(serving);
        tokio::select! {
            served = &mut serving => served,
            error = postgres.ended() => {
                inner.cancel();
                let _ = serving.await;
                Err(error)
            }
        }
    };
    #[cfg(target_os = "linux")]
    writing.abort();
    // Nobody uses it any more. Its own failure matters less than the first one.
    let stopped = postgres.stop().await;
    served.and(stopped)
}

/// SIGINT, SIGTERM and SIGHUP (the terminal is gone) ask for a graceful stop.
/// Another one hurries nothing: a stop is bounded, and PostgreSQL must not be
/// left behind.
fn stop_on_signals(stop: &CancellationToken) -> anyhow::Result<()> {
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let mut signals = signal(kind).context("cannot watch for signals")?;
        let stop = stop.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                stop.cancel();
            }
        });
    }
    Ok(())
}
