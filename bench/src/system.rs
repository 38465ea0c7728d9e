//! A Veritrail that the bench starts for itself, in a folder of its own, and stops again. Never
//! touches one that it did not start.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::time::sleep;

use crate::check::Trail;
use crate::client::Client;
use crate::cpu::Watch;
use crate::database::Database;
use crate::tenants::Tenant;

/// A first start makes a cluster; a slow disk takes its time.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// A stop writes PostgreSQL's last checkpoint.
const STOPPED_WITHIN: Duration = Duration::from_mins(3);

/// `credentials.json`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) operator: Login,
    pub(crate) tenant: String,
    pub(crate) admin: Login,
    pub(crate) service: Service,
    pub(crate) database_url: String,
    pub(crate) origin: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Service {
    pub(crate) api_key: String,
}

/// A process that is stopped when it is no longer needed.
pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts a program, its output going to a file.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let log = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { child, name })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error when it has ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended: {status}", self.name),
        }
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.interrupt();
        let deadline = Instant::now() + STOPPED_WITHIN;
        while Instant::now() < deadline {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        bail!("{}, process {}, does not stop", self.name, self.pid())
    }

    fn interrupt(&self) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::INT);
        }
    }
}

impl Drop for Process {
    /// On the way out of an error or an interruption. Waits as well, since what it writes to may be removed next; each
    /// program bounds its own stop, and `veritrail up` ends after its PostgreSQL.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.interrupt();
            let _ = self.child.wait();
        }
    }
}

/// A running `veritrail up`.
pub(crate) struct System {
    process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) credentials: Credentials,
    postmaster: u32,
    log: PathBuf,
}

impl System {
    /// Starts `veritrail up` on a folder, new or used, and waits until it is ready.
    pub(crate) async fn start(programs: &Path, folder: &Path) -> Result<Self> {
        Self::start_with(programs, folder, &[]).await
    }

    /// The same with more options.
    pub(crate) async fn start_with(
        programs: &Path,
        folder: &Path,
        options: &[&str],
    ) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let data = folder.join("data");
        // Left behind by a kill, it would be taken for the new address.
        let _ = fs::remove_file(data.join("address"));
        let mut command = Command::new(programs.join("veritrail"));
        command.args([
            "up",
            "--listen",
            "127.0.0.1:0",
            "--origin",
            "bench.localhost",
            "--data",
        ]);
        command.arg(&data).args(options);
        let log = folder.join("up.log");
        let mut process = Process::start(command, &log)?;
        let deadline = Instant::now() + READY_WITHIN;
        let address = loop {
            process
                .check()
                .with_context(|| format!("see {}", log.display()))?;
            if let Some(address) = published(&data)
                && Client::new(address).is_ready().await
            {
                break address;
            }
            if Instant::now() > deadline {
                bail!("veritrail up is not ready: see {}", log.display());
            }
            sleep(Duration::from_millis(5)).await;
        };
        let credentials = fs::read(data.join("credentials.json")).context("credentials.json")?;
        let credentials = serde_json::from_slice(&credentials).context("credentials.json")?;
        let postmaster = postmaster(&data)?;
        Ok(Self {
            process,
            address,
            credentials,
            postmaster,
            log,
        })
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// The default tenant's trail in one partition.
    pub(crate) async fn trail(&self, partition: &str) -> Result<Trail> {
        let client = self.client();
        Trail::open(&client, client.clone(), &self.credentials, partition).await
    }

    /// A new tenant.
    pub(crate) async fn tenant(&self, code: &str) -> Result<Tenant> {
        Tenant::create(&self.client(), &self.credentials.operator, code).await
    }

    pub(crate) fn database(&self) -> Result<Database> {
        Database::new(&self.credentials.database_url)
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch {
            services: vec![self.pid()],
            postmaster: self.postmaster,
            opensearch: None,
        }
    }

    /// An error when a search was answered from the ledger, since its index could not be asked: then
    /// something else was measured.
    pub(crate) fn asked_its_index(&self) -> Result<()> {
        asked_its_index(&self.log)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Stops it, PostgreSQL included; the folder stays.
    pub(crate) async fn stop(self) -> Result<()> {
        self.process.stop().await
    }
}

/// What a log-service says in its log when its index could not be asked.
pub(crate) fn asked_its_index(log: &Path) -> Result<()> {
    let text = fs::read_to_string(log)?;
    let instead = "the ledger answers for the search index";
    match text.lines().find(|line| line.contains(instead)) {
        Some(line) => bail!("not the index was measured: {line}"),
        None => Ok(()),
    }
}

/// Where `veritrail up` says that it listens.
fn published(data: &Path) -> Option<SocketAddr> {
    let text = fs::read_to_string(data.join("address")).ok()?;
    let text = text.trim();
    text.strip_prefix("http://")
        .unwrap_or(text)
        .trim_end_matches('/')
        .parse()
        .ok()
}

/// The first process of the PostgreSQL that runs in the data directory.
fn postmaster(data: &Path) -> Result<u32> {
    let file = data.join("postgres").join("postmaster.pid");
    let text = fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().trim().parse()?)
}
