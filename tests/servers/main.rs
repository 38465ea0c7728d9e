//! `servers COMMAND ARGUMENTS…`: starts the servers that the tests need, says in the environment
//! where they are, runs the command, and stops them. It is no service manager: nothing outlives it.
//!
//! `DATABASE_URL`, when it is already set, is used as it is: a superuser's address of PostgreSQL.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use postgres::{Postgres, Wanted};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Memory behind a file system: an fsync costs nothing, and the server keeps its safe settings.
const MEMORY: &str = "/dev/shm";
/// A container's default of 64 MiB is too small for a database.
const ENOUGH_MEMORY: u64 = 2 * 1024 * 1024 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        bail!("usage: servers COMMAND ARGUMENTS…");
    };
    let rest: Vec<OsString> = arguments.collect();
    if std::env::vars_os().any(|(name, _)| name == "DATABASE_URL") {
        return run(Command::new(program).args(rest)).await;
    }
    let folder = folder()?;
    let stop = CancellationToken::new();
    let wanted = Wanted {
        folder: &folder,
        binaries: None,
        install: true,
    };
    let note = |text: &str| say(text);
    let mut postgres = Postgres::start(&wanted, &note, &stop).await?;
    let url = secrecy::ExposeSecret::expose_secret(&postgres.owner_url()).to_owned();
    let ended = run(Command::new(program).args(rest).env("DATABASE_URL", url)).await;
    postgres.stop().await?;
    std::fs::remove_dir_all(&folder).context("cannot remove the servers' folder")?;
    ended
}

#[expect(
    clippy::print_stderr,
    reason = "this program has no other way to tell a person"
)]
fn say(text: &str) {
    eprintln!("servers: {text}");
}

/// A new folder, in memory where there is enough of it. PostgreSQL's account passes through.
fn folder() -> anyhow::Result<PathBuf> {
    let memory = rustix::fs::statvfs(MEMORY).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
    let parent = if memory >= ENOUGH_MEMORY {
        PathBuf::from(MEMORY)
    } else {
        std::env::temp_dir()
    };
    let folder = parent.join(format!(
        "veritrail-servers-{}",
        uuid::Uuid::now_v7().simple()
    ));
    std::fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o711))?;
    // The whole suite holds many connections at once, far more than a service does.
    Ok(folder)
}

/// Runs the command to its end. A signal for this process reaches the command from the terminal or
/// through this one; the servers are stopped after it, never before.
async fn run(command: &mut Command) -> anyhow::Result<ExitCode> {
    let mut child = command.spawn().context("cannot start the command")?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {
                if let Some(id) = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
                    let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
                }
            }
        }
    };
    Ok(ExitCode::from(
        u8::try_from(status.code().unwrap_or(1)).unwrap_or(1),
    ))
}
