//! Two log-services on one chain beside one, as programs of their own on one database: the same
//! 64 connections, to one of them or to both.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::{Instant, sleep};

use super::{Bench, CONNECTIONS, round, singles};
use crate::check::Trail;
use crate::client::Client;
use crate::cpu::Watch;
use crate::database::Database;
use crate::load::{self, Load, Measured};
use crate::report::{Round, Target, progress};
use crate::system::{Credentials, Process, System};
use crate::template::{Ids, Into};

const READY_WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    progress("two replicas on one chain");
    let folder = super::folder(&bench.scratch, "replicas")?;
    // Only for its PostgreSQL; it idles while the programs are measured.
    let system = System::start(&bench.programs, &folder).await?;
    let measured = distributed(bench, &system, &folder).await;
    let stopped = system.stop().await;
    std::fs::remove_dir_all(&folder)?;
    measured.and(stopped)
}

async fn distributed(bench: &mut Bench<'_>, system: &System, folder: &Path) -> Result<()> {
    let database = system.database()?.made("distributed")?;
    let programs = Programs {
        folder: &bench.programs,
        scratch: folder,
        database: &database,
    };
    let mut running = programs.start().await?;
    let watch = Watch {
        services: running.pids(),
        ..system.watch()
    };
    let measured = compare(bench, &running, &watch).await;
    for process in running.processes.drain(..).rev() {
        process.stop().await?;
    }
    measured
}

async fn compare(bench: &mut Bench<'_>, running: &Running, watch: &Watch) -> Result<()> {
    let mut ratios = vec![];
    while bench.another(&ratios) {
        let trail = running.trail("default").await?;
        let one = load(bench, watch, &trail, &running.logs[..1]).await?;
        let two = load(bench, watch, &trail, &running.logs).await?;
        ratios.push(bench.report.outcome(two / one));
    }
    let name = "two log-services on one chain ÷ one";
    bench.report.figure(name, ratios, Target::AtLeast(0.7));
    Ok(())
}

/// Appends a second through some of the log-services, with the same connections in all.
async fn load(
    bench: &mut Bench<'_>,
    watch: &Watch,
    trail: &Trail,
    logs: &[SocketAddr],
) -> Result<f64> {
    bench.quiet(watch).await?;
    let into = Into::One("default".to_owned());
    let each = CONNECTIONS / logs.len() as u64;
    let mut loads = Vec::new();
    for (nth, address) in (0..).zip(logs) {
        let mut requests = singles(&trail.writer.text, Ids::Server, &into, CONNECTIONS);
        requests.rotate_left(nth * usize::try_from(each)?);
        requests.truncate(usize::try_from(each)?);
        loads.push(Load {
            address: *address,
            requests,
            rate: None,
        });
    }
    let before = trail.size()?;
    let measured = load::run_all(loads, bench.config.seconds, watch).await?;
    let all: Vec<&Measured> = measured.iter().collect();
    trail.check(before, &all).await?;
    let whole = together(&measured);
    let name = format!(
        "64 × single, programs of their own, {} log-service",
        logs.len()
    );
    bench.report.round(&name, whole);
    Ok(whole.rate)
}

/// Loads that ran at the same time, as one.
fn together(measured: &[Measured]) -> Round {
    let mut whole = round(&measured[0]);
    for other in &measured[1..] {
        let other = round(other);
        whole.rate += other.rate;
        whole.entries += other.entries;
        whole.p50 = whole.p50.max(other.p50);
        whole.p99 = whole.p99.max(other.p99);
    }
    whole
}

/// What it takes to start the programs.
struct Programs<'a> {
    folder: &'a Path,
    scratch: &'a Path,
    database: &'a Database,
}

/// One auth-service and two log-services.
struct Running {
    processes: Vec<Process>,
    auth: SocketAddr,
    logs: Vec<SocketAddr>,
    credentials: Credentials,
}

impl Running {
    fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(Process::pid).collect()
    }

    async fn trail(&self, partition: &str) -> Result<Trail> {
        let logs = Client::new(self.logs[0]);
        Trail::open(&Client::new(self.auth), logs, &self.credentials, partition).await
    }
}

impl Programs<'_> {
    async fn start(&self) -> Result<Running> {
        let (auth, first, second) = (free()?, free()?, free()?);
        let secret = self.scratch.join("secret");
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).context("random bytes")?;
        std::fs::write(&secret, chain::Hash(bytes).to_string())?;
        let credentials = self.scratch.join("credentials.json");
        self.run("auth-service", &["migrate"])?;
        self.run("log-service", &["migrate"])?;
        let mut bootstrap = self.command("auth-service");
        bootstrap
            .arg("bootstrap")
            .env("SECRET_FILE", &secret)
            .env("ORIGIN", "bench.localhost");
        bootstrap.env("CREDENTIALS_FILE", &credentials);
        finished(bootstrap)?;
        let issuer = format!("http://{auth}");
        let internal = self.scratch.join("internal");
        getrandom::fill(&mut bytes).context("random bytes")?;
        let internal_secret = chain::Hash(bytes).to_string();
        std::fs::write(&internal, &internal_secret)?;
        let mut processes = Vec::new();
        let mut command = self.command("auth-service");
        command
            .env("LISTEN", auth.to_string())
            .env("SECRET_FILE", &secret)
            .env("INTERNAL_SECRET", &internal_secret)
            .env("ISSUER", &issuer)
            .env("LOG_URL", format!("http://{first}"));
        processes.push(Process::start(command, &self.scratch.join("auth.log"))?);
        for (name, address) in [("log-1.log", first), ("log-2.log", second)] {
            let mut command = self.command("log-service");
            command
                .env("LISTEN", address.to_string())
                .env("ORIGIN", "bench.localhost")
                .env("AUTH_URL", &issuer)
                .env("ISSUER", &issuer)
                .env("INTERNAL_SECRET_FILE", &internal);
            processes.push(Process::start(command, &self.scratch.join(name))?);
        }
        for address in [auth, first, second] {
            ready(address, &mut processes).await?;
        }
        let credentials = serde_json::from_slice(&std::fs::read(&credentials)?)?;
        Ok(Running {
            processes,
            auth,
            logs: vec![first, second],
            credentials,
        })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        command.env("DATABASE_URL", self.database.url());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let mut command = self.command(program);
        command.args(arguments);
        finished(command)
    }
}

fn finished(mut command: Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("running {command:?}"))?;
    if output.status.success() {
        return Ok(());
    }
    let name = command.get_program().display();
    bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim())
}

async fn ready(address: SocketAddr, processes: &mut [Process]) -> Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    while !Client::new(address).is_ready().await {
        for process in &mut *processes {
            process.check()?;
        }
        ensure!(Instant::now() < deadline, "{address} is not ready");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// An address that nobody listens on at this moment.
fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
