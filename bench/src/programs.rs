//! Veritrail as programs of their own on one database: auth-service, so many log-services, and, with a
//! search index, indexer-worker.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::{Instant, sleep};

use crate::check::Trail;
use crate::client::Client;
use crate::database::Database;
use crate::system::{Credentials, Process};
use crate::tenants::Tenant;

const READY_WITHIN: Duration = Duration::from_secs(30);
const ORIGIN: &str = "bench.localhost";

/// What it takes to start the programs.
pub(crate) struct Programs {
    /// Where the programs are.
    pub(crate) folder: PathBuf,
    pub(crate) scratch: PathBuf,
    pub(crate) database: Database,
    pub(crate) logs: usize,
    pub(crate) index: Option<Index>,
}

/// Where documents go.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    pub(crate) url: url::Url,
    /// Begin of the names of all indices.
    pub(crate) prefix: String,
}

/// One auth-service and some log-services.
pub(crate) struct Running {
    processes: Vec<Process>,
    auth: SocketAddr,
    pub(crate) logs: Vec<SocketAddr>,
    pub(crate) credentials: Credentials,
}

/// A running indexer-worker.
pub(crate) struct Indexer {
    process: Process,
    log: PathBuf,
}

impl Running {
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(Process::pid).collect()
    }

    pub(crate) fn auth(&self) -> Client {
        Client::new(self.auth)
    }

    pub(crate) async fn trail(&self, partition: &str) -> Result<Trail> {
        let logs = Client::new(self.logs[0]);
        Trail::open(&self.auth(), logs, &self.credentials, partition).await
    }

    /// A new tenant.
    pub(crate) async fn tenant(&self, code: &str) -> Result<Tenant> {
        Tenant::create(&self.auth(), &self.credentials.operator, code).await
    }

    /// A tenant's trail.
    pub(crate) async fn trail_of(&self, tenant: &Tenant, partition: &str) -> Result<Trail> {
        let logs = Client::new(self.logs[0]);
        tenant
            .trail(&self.auth(), logs, &self.credentials, partition)
            .await
    }

    pub(crate) async fn stop(self) -> Result<()> {
        for process in self.processes.into_iter().rev() {
            process.stop().await?;
        }
        Ok(())
    }
}

impl Indexer {
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it complained of, line by line.
    pub(crate) fn complaints(&self) -> Result<Vec<String>> {
        let text = std::fs::read_to_string(&self.log)?;
        let bad = |line: &&str| line.contains("WARN") || line.contains("ERROR");
        Ok(text.lines().filter(bad).map(str::to_owned).collect())
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.process.stop().await
    }
}

impl Programs {
    pub(crate) async fn start(&self) -> Result<Running> {
        let secret = self.scratch.join("secret");
        std::fs::write(&secret, random()?)?;
        let internal = self.scratch.join("internal");
        let internal_secret = random()?;
        std::fs::write(&internal, &internal_secret)?;
        let credentials = self.migrate(&secret)?;
        let auth = free()?;
        let logs = (0..self.logs).map(|_| free()).collect::<Result<Vec<_>>>()?;
        let issuer = format!("http://{auth}");
        let mut command = self.command("auth-service");
        command
            .env("LISTEN", auth.to_string())
            .env("SECRET_FILE", &secret)
            .env("INTERNAL_SECRET", &internal_secret)
            .env("ISSUER", &issuer)
            .env("LOG_URL", format!("http://{}", logs[0]));
        let mut processes = vec![Process::start(command, &self.scratch.join("auth.log"))?];
        for (nth, address) in (1..).zip(&logs) {
            let mut command = self.command("log-service");
            command
                .env("LISTEN", address.to_string())
                .env("ORIGIN", ORIGIN)
                .env("AUTH_URL", &issuer)
                .env("ISSUER", &issuer)
                .env("INTERNAL_SECRET_FILE", &internal);
            let log = self.scratch.join(format!("log-{nth}.log"));
            processes.push(Process::start(command, &log)?);
        }
        for address in [&auth].into_iter().chain(&logs) {
            ready(*address, "/readyz", &mut processes).await?;
        }
        Ok(Running {
            processes,
            auth,
            logs,
            credentials,
        })
    }

    /// Starts an indexer-worker; it is at work when this returns.
    pub(crate) async fn indexer(&self) -> Result<Indexer> {
        let address = free()?;
        let log = self.scratch.join("indexer.log");
        let mut command = self.command("indexer-worker");
        command.env("ADMIN_LISTEN", address.to_string());
        let mut processes = vec![Process::start(command, &log)?];
        // It listens right before it begins.
        ready(address, "/livez", &mut processes).await?;
        let process = processes.pop().context("one process")?;
        Ok(Indexer { process, log })
    }

    /// Schemas and first credentials.
    fn migrate(&self, secret: &Path) -> Result<Credentials> {
        let credentials = self.scratch.join("credentials.json");
        for program in ["auth-service", "log-service"] {
            let mut command = self.command(program);
            command.arg("migrate");
            finished(command)?;
        }
        let mut bootstrap = self.command("auth-service");
        bootstrap
            .arg("bootstrap")
            .env("SECRET_FILE", secret)
            .env("ORIGIN", ORIGIN)
            .env("CREDENTIALS_FILE", &credentials);
        finished(bootstrap)?;
        Ok(serde_json::from_slice(&std::fs::read(&credentials)?)?)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        let database = self.database.url();
        command.env("DATABASE_URL", database);
        if let Some(index) = &self.index {
            let sign = if database.contains('?') { '&' } else { '?' };
            command
                .env("INDEX_URL", index.url.as_str())
                .env("INDEX_PREFIX", &index.prefix)
                .env("INDEX_QUEUE_URL", format!("{database}{sign}queue=index"));
        }
        command
    }
}

/// 32 random bytes in hex.
fn random() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("random bytes")?;
    Ok(chain::Hash(bytes).to_string())
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

async fn ready(address: SocketAddr, path: &str, processes: &mut [Process]) -> Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    let client = Client::new(address);
    while !client.answers(path).await {
        for process in &mut *processes {
            process.check()?;
        }
        ensure!(Instant::now() < deadline, "{address} is not ready");
        sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// An address that nobody listens on at this moment.
fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
