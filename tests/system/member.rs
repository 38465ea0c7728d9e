//! One program of a system: how it is started, so that it can be started again after it was killed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::program::{Program, last_lines};

pub struct Member {
    /// Name of the program.
    pub program: &'static str,
    /// Tells it from others of the program, and names the file of what it prints.
    pub name: String,
    /// Where it serves, if it serves.
    pub url: Option<String>,
    /// Where its metrics are, and its health in detail.
    pub admin_url: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    ready: &'static str,
    log: PathBuf,
    running: Option<Program>,
}

/// What differs from one program to the next.
pub(crate) struct Plan<'a> {
    pub(crate) program: &'static str,
    pub(crate) name: String,
    /// Where it serves, if it serves.
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) admin_port: u16,
    pub(crate) arguments: &'a [&'a str],
    pub(crate) environment: &'a [(String, String)],
    /// What it says when it is ready.
    pub(crate) ready: &'static str,
}

impl Member {
    /// Not started yet.
    pub(crate) fn new(plan: Plan<'_>, folder: &Path) -> Self {
        let mut arguments: Vec<_> = plan.arguments.iter().map(ToString::to_string).collect();
        if let Some(listen) = plan.listen {
            arguments.extend(["--listen".to_owned(), listen.to_string()]);
        }
        arguments.extend(["--admin-listen".to_owned(), plan.admin_port.to_string()]);
        Self {
            program: plan.program,
            url: plan.listen.map(|listen| format!("http://{listen}")),
            admin_url: format!("http://127.0.0.1:{}", plan.admin_port),
            log: folder.join(format!("{}.log", plan.name)),
            name: plan.name,
            arguments,
            environment: plan.environment.to_vec(),
            ready: plan.ready,
            running: None,
        }
    }

    /// Starts it, again if need be, and waits until it says that it is ready.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        self.launch()?;
        self.ready().await
    }

    /// Starts it.
    pub(crate) fn launch(&mut self) -> anyhow::Result<()> {
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        let running = Program::start(self.program, &arguments, &self.environment, &self.log)?;
        self.running = Some(running);
        Ok(())
    }

    pub(crate) async fn ready(&mut self) -> anyhow::Result<()> {
        let running = self.running.as_mut().context("it was not started")?;
        let ready = running.says(self.ready).await;
        ready.with_context(|| format!("{} does not start", self.name))
    }

    /// Its process; `None` when it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().and_then(Program::pid)
    }

    /// SIGKILL, and gone when this returns.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut running) = self.running.take() {
            running.kill().await?;
        }
        Ok(())
    }

    /// SIGTERM, and drained when this returns; nothing when it does not run.
    ///
    /// # Errors
    /// It did not end with 0.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut running) = self.running.take() else {
            return Ok(());
        };
        let code = running.stop().await?;
        let printed = running.printed()?;
        ensure!(
            code == Some(0),
            "{} ended with {code:?}:\n{}",
            self.name,
            last_lines(&printed)
        );
        Ok(())
    }

    /// Another process of the same program in the same environment, until it ends by itself; what it has printed.
    ///
    /// # Errors
    /// It did not end with 0.
    pub async fn beside(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let log = self.log.with_extension("beside.log");
        let mut running = Program::start(self.program, arguments, &self.environment, &log)?;
        let code = running.ends().await?;
        let printed = running.printed()?;
        ensure!(
            code == Some(0),
            "{} {arguments:?} ended with {code:?}:\n{}",
            self.program,
            last_lines(&printed)
        );
        Ok(printed)
    }

    /// Resolves when it ends without having been asked to.
    pub(crate) async fn broken(&mut self) -> String {
        let Some(running) = self.running.as_mut() else {
            return std::future::pending().await;
        };
        let code = running.ends().await;
        let printed = running.printed().unwrap_or_default();
        format!("{} ended ({code:?}):\n{}", self.name, last_lines(&printed))
    }

    /// Everything that it has printed in all its starts.
    pub fn printed(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(&self.log)?)
    }
}
