//! Veritrail as processes of this machine, both ways: `veritrail up` alone, or every service and
//! worker on its own with one address in front of them, on real servers. What it makes there has
//! names of its own, so that any number run side by side. It tests nothing itself.

mod aws;
mod config;
mod database;
mod distributed;
mod entry;
mod member;
mod one_process;
mod ports;
mod program;
mod signals;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

pub use config::Servers;
pub use distributed::Shape;
pub use entry::Entry;
pub use member::Member;
pub use ports::free_ports;
pub use program::{Program, program_path};
pub use signals::interrupted;

/// Name of every installation made here.
pub const ORIGIN: &str = "audit.example.com";
/// What the secret file of every installation holds.
pub const SECRET: [u8; 32] = [0x5e; 32];
/// The bearer secret of the status feed, where processes share it.
pub const INTERNAL_SECRET: &str = "planted-internal-secret-77aa";

/// How the system runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `veritrail up`, with index, queue and objects of its own.
    OneProcess,
    /// Every service and worker as a process, on SQS, S3 and OpenSearch.
    Distributed(Shape),
}

/// What a start is given.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub way: Way,
    /// `[a-z0-9-]+`: the beginning of every name on the servers.
    pub name: &'a str,
    /// It exists and is empty.
    pub folder: &'a Path,
    pub servers: &'a Servers,
    /// Where everything is reached; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What the programs print, as their setting `LOG` has it.
    pub log: &'a str,
}

/// A started system.
pub struct Installation {
    /// Where everything is reached.
    pub url: String,
    /// auth-service alone.
    pub auth_url: String,
    /// Each log-service alone.
    pub log_urls: Vec<String>,
    /// What the first start made: `operator`, `admin` of the tenant `demo`, `service`.
    pub credentials: Value,
    /// As its superuser.
    pub database_url: String,
    /// Folder with the credentials and with what the programs print.
    pub folder: PathBuf,
    /// The programs, in the order of their start.
    pub members: Vec<Member>,
    name: String,
    servers: Servers,
    way: Way,
    entry: Option<Entry>,
}

impl Installation {
    /// Starts everything and returns when it is ready.
    pub async fn start(wanted: &Wanted<'_>) -> anyhow::Result<Self> {
        match wanted.way {
            Way::OneProcess => one_process::start(wanted).await,
            Way::Distributed(shape) => distributed::start(shape, wanted).await,
        }
    }

    /// The beginning of every name on the servers.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The programs of this name.
    pub fn members(&mut self, program: &str) -> impl Iterator<Item = &mut Member> {
        self.members
            .iter_mut()
            .filter(move |member| member.program == program)
    }

    /// One of them.
    ///
    /// # Panics
    /// There are not that many.
    pub fn member(&mut self, program: &str, index: usize) -> &mut Member {
        self.members(program)
            .nth(index)
            .unwrap_or_else(|| panic!("there is no {program} {index}"))
    }

    /// Resolves when a program has ended that nobody stopped, with its name and its last lines.
    pub async fn broken(&mut self) -> String {
        let ends = self
            .members
            .iter_mut()
            .map(|member| Box::pin(member.broken()));
        futures_util::future::select_all(ends).await.0
    }

    /// Asks every program to stop, the last started first.
    ///
    /// # Errors
    /// One did not end with 0; the others were stopped all the same.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        // Nobody comes in any more.
        self.entry = None;
        let mut problem = Ok(());
        for member in self.members.iter_mut().rev() {
            let stopped = member.stop().await;
            problem = problem.and(stopped);
        }
        problem
    }

    /// Everything that the programs have printed.
    pub fn printed(&self) -> anyhow::Result<String> {
        let texts = self.members.iter().map(Member::printed);
        texts
            .collect::<anyhow::Result<Vec<_>>>()
            .map(|texts| texts.concat())
    }

    /// Puts a message into the queue `index` or `export` of a distributed system.
    pub async fn send(&self, queue: &str, body: &str) -> anyhow::Result<()> {
        aws::send(&self.servers, &self.name, queue, body).await
    }

    /// What Amazon's own client sees of the files of exports, where the system is distributed.
    pub async fn objects(&self) -> aws_sdk_s3::Client {
        aws::objects(&self.servers).await
    }

    /// The file with [`Installation::credentials`].
    pub fn credentials_file(&self) -> PathBuf {
        let folder = match self.way {
            Way::OneProcess => self.folder.join("data"),
            Way::Distributed(_) => self.folder.clone(),
        };
        folder.join("credentials.json")
    }

    /// Removes what was made on the servers. Everything is stopped by now.
    pub async fn remove(self) -> anyhow::Result<()> {
        database::remove(&self.servers.database_url, &self.name).await?;
        if let Way::Distributed(_) = self.way {
            aws::remove(&self.servers, &self.name).await?;
            let indices = format!("{}/{}-*", self.servers.opensearch_url, self.name);
            let answer = reqwest::Client::new().delete(indices).send().await?;
            answer
                .error_for_status()
                .context("cannot remove the indices")?;
        }
        Ok(())
    }
}
