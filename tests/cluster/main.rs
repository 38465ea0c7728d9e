//! `cluster [COMMAND ARGUMENTS…]`: Veritrail as it runs on several machines, on this one: each service
//! and worker a process, on the servers that `servers` started, behind one address. It runs until
//! Ctrl-C, or as long as the command does; then it stops everything and leaves nothing on the servers.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Parser;
use system::{Installation, Servers, Shape, Wanted, Way};
use tokio::process::Command;

/// Runs the whole system, each program a process of its own, and tells where it is.
#[derive(Debug, Parser)]
struct Config {
    /// Folder with credentials and logs; what an earlier run left there is removed
    #[arg(long, default_value = ".cluster")]
    folder: PathBuf,
    /// Where the system is reached; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// One process with an index, a queue and objects of its own, instead of many
    #[arg(long)]
    one_process: bool,
    /// What the programs log, as their setting LOG has it
    #[arg(long, default_value = "info")]
    log: String,
    /// A command that finds the address in `VERITRAIL_SERVER` and the file with the credentials in
    /// `CREDENTIALS_FILE`; without one the system runs until Ctrl-C
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
    #[command(flatten)]
    servers: Servers,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let config = Config::parse();
    let folder = fresh(&config.folder)?;
    let name = format!("cluster-{}", uuid::Uuid::now_v7().simple());
    let way = if config.one_process {
        Way::OneProcess
    } else {
        Way::Distributed(Shape::WHOLE)
    };
    let stopped = system::interrupted()?;
    tokio::pin!(stopped);
    let wanted = Wanted {
        way,
        name: &name,
        folder: &folder,
        servers: &config.servers,
        listen: config.listen,
        log: &config.log,
    };
    let mut installation = tokio::select! {
        started = Installation::start(&wanted) => started?,
        () = &mut stopped => bail!("interrupted"),
    };
    if !config.one_process {
        // Where `veritrail login --data` looks; the one process has written its own.
        std::fs::write(folder.join("address"), format!("{}\n", installation.url))?;
    }
    tell(&installation, &folder);
    let ended = tokio::select! {
        ended = run(&config, &mut installation) => ended,
        () = &mut stopped => Ok(ExitCode::SUCCESS),
    };
    let stopped = installation.stop().await;
    installation.remove().await?;
    stopped?;
    let code = ended?;
    std::fs::remove_dir_all(&folder)?;
    Ok(code)
}

/// A new folder for this user alone, which holds the credentials.
fn fresh(folder: &Path) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    if folder.exists() {
        let ours = folder.join("credentials.json").exists() || folder.join("data").exists();
        if !ours && std::fs::read_dir(folder)?.next().is_some() {
            bail!("{} holds something else", folder.display());
        }
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder.canonicalize()?)
}

/// The command to its end, or for ever without one; less when a program ends by itself.
async fn run(config: &Config, installation: &mut Installation) -> anyhow::Result<ExitCode> {
    let Some((program, arguments)) = config.command.split_first() else {
        bail!(installation.broken().await);
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("VERITRAIL_SERVER", &installation.url)
        .env("CREDENTIALS_FILE", installation.credentials_file())
        .kill_on_drop(true);
    let mut child = command.spawn().context("cannot start the command")?;
    let status = tokio::select! {
        status = child.wait() => status?,
        broken = installation.broken() => bail!(broken),
    };
    let code = status.code().unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

#[expect(
    clippy::print_stderr,
    reason = "this program has no other way to tell a person"
)]
fn tell(installation: &Installation, folder: &Path) {
    eprintln!("\nVeritrail is ready at {}\n", installation.url);
    for member in &installation.members {
        let url = member.url.as_deref().unwrap_or("-");
        eprintln!(
            "  {:18} {url:24} metrics and health {}",
            member.name, member.admin_url
        );
    }
    let credentials = installation.credentials_file();
    let data = credentials.parent().unwrap_or(folder);
    eprintln!(
        "\n  credentials        {}\n  logs               {}/*.log\n  database           {}\n\n\
         In another terminal: veritrail login --data {}\n\
         Ctrl-C stops everything.",
        credentials.display(),
        folder.display(),
        installation.database_url,
        data.display(),
    );
}
