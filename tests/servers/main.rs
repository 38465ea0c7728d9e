//! `servers COMMAND ARGUMENTS…`: starts the servers that the tests need, says in the environment
//! where they are, runs the command, and stops them. It is no service manager: nothing outlives it.
//!
//! An address that the environment gives is used as it is. Otherwise a server is a container where a
//! Docker engine answers and has the image, or a process, made from packages that are installed and
//! kept in the user's cache folder at the first run.

mod cache;
mod config;
mod containers;
mod folder;
mod localstack;
mod opensearch;
mod packages;
mod postgresql;
mod process;
mod running;

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Name};
use crate::folder::Folder;
use crate::running::Running;

/// What every start is given.
struct Site {
    folder: Folder,
    /// A Docker engine that answers.
    docker: bool,
    stop: CancellationToken,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let config = Config::parsed();
    let stop = CancellationToken::new();
    let signals = tokio::spawn(cancel_on_signal(stop.clone()));
    let site = Site {
        folder: Folder::create()?,
        docker: !config.native && containers::engine_answers().await,
        stop,
    };
    let servers = Box::pin(start(&config, &site)).await;
    signals.abort();
    let ended = match &servers {
        Ok(servers) => run(&config, servers).await,
        Err(_) => Ok(ExitCode::FAILURE),
    };
    for server in servers? {
        server.stop().await?;
    }
    site.folder.remove()?;
    ended
}

/// Starts what is wanted, all at once; when one does not start, the others are stopped.
async fn start(config: &Config, site: &Site) -> anyhow::Result<Vec<Running>> {
    // Two package managers at once would find each other's locks.
    packages::install(config, site).await?;
    let (postgresql, localstack, opensearch) = tokio::join!(
        async {
            match (&config.database_url, config.wants(Name::Postgres)) {
                (Some(url), _) => Ok(Some(Running::given(url))),
                (None, true) => postgresql::start(site).await.map(Some),
                (None, false) => Ok(None),
            }
        },
        async {
            match (&config.localstack_url, config.wants(Name::Localstack)) {
                (Some(url), _) => Ok(Some(Running::given(url))),
                (None, true) => localstack::start(site).await.map(Some),
                (None, false) => Ok(None),
            }
        },
        async {
            match (&config.opensearch_url, config.wants(Name::Opensearch)) {
                (Some(url), _) => Ok(Some(Running::given(url))),
                (None, true) => opensearch::start(site, &config.opensearch_heap)
                    .await
                    .map(Some),
                (None, false) => Ok(None),
            }
        },
    );
    let mut servers = Vec::new();
    let mut failed = None;
    let started = [
        (postgresql, "DATABASE_URL"),
        (localstack, "LOCALSTACK_URL"),
        (opensearch, "OPENSEARCH_URL"),
    ];
    for (server, variable) in started {
        match server {
            Ok(server) => servers.extend(server.map(|server| server.told_as(variable))),
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
    }
    let Some(error) = failed else {
        return Ok(servers);
    };
    for server in servers {
        server.stop().await?;
    }
    Err(error)
}

async fn cancel_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    system::interrupted()?.await;
    stop.cancel();
    Ok(())
}

/// Runs the command to its end. A signal for this process reaches the command from the terminal or
/// through this one; the servers are stopped after it, never before.
async fn run(config: &Config, servers: &[Running]) -> anyhow::Result<ExitCode> {
    let (program, arguments) = config.command.split_first().context("no command")?;
    let mut command = Command::new(program);
    command.args(arguments);
    for server in servers {
        command.env(server.variable(), server.url());
        if server.variable() == "LOCALSTACK_URL" {
            localstack::credentials(&mut command, server.url());
        }
    }
    let mut child = command.spawn().context("cannot start the command")?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            // The terminal sends these two to the command as well.
            _ = hangup.recv() => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => process::signal(&child, rustix::process::Signal::TERM),
        }
    };
    Ok(ExitCode::from(
        u8::try_from(status.code().unwrap_or(1)).unwrap_or(1),
    ))
}

#[expect(
    clippy::print_stderr,
    reason = "this program has no other way to tell a person"
)]
fn say(text: &str) {
    eprintln!("servers: {text}");
}
