//! A server as a process: its output in a file, a process group of its own, stopped politely first.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::{running, say};

const STOPPED_WITHIN: Duration = Duration::from_secs(20);
const LAST_LINES: usize = 30;

pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Away from the terminal's signals: Ctrl-C is for the command, which uses the server until it
    /// has ended.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let file = std::fs::File::create(log)?;
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            name,
            child,
            log: log.to_owned(),
        })
    }

    /// Until it answers; with the last lines of its log when it does not.
    pub(crate) async fn ready(
        mut self,
        url: &str,
        good: impl Fn(&str) -> bool,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let problem = tokio::select! {
            answered = running::answers(url, good) => match answered {
                Ok(()) => return Ok(self),
                Err(error) => error,
            },
            status = self.child.wait() => anyhow::anyhow!("it ended with {}", status?),
            () = stop.cancelled() => anyhow::anyhow!("interrupted"),
        };
        let (name, log) = (self.name, last_lines(&self.log));
        self.stop().await?;
        Err(problem.context(format!("{name} does not start:\n{log}")))
    }

    /// SIGTERM, and SIGKILL for the whole group when that does not help.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = last_lines(&self.log);
            say(&format!(
                "{} had ended by itself, {status}:\n{log}",
                self.name
            ));
            return Ok(());
        }
        let group = group(&self.child);
        signal(&self.child, Signal::TERM);
        let ended = tokio::time::timeout(STOPPED_WITHIN, self.child.wait()).await;
        if let Some(group) = group {
            // What the server itself started, if anything of it is left.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        match ended {
            Ok(status) => drop(status?),
            Err(_) => drop(self.child.wait().await?),
        }
        Ok(())
    }
}

fn group(child: &Child) -> Option<Pid> {
    Pid::from_raw(child.id()?.cast_signed())
}

/// A signal for the child while it lives.
pub(crate) fn signal(child: &Child, signal: Signal) {
    if let Some(id) = group(child) {
        let _ = rustix::process::kill_process(id, signal);
    }
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// Runs a program to its end and gives what it printed.
///
/// # Errors
/// It fails, or `stop` came first; the message holds its last lines.
pub(crate) async fn run(command: &mut Command, stop: &CancellationToken) -> anyhow::Result<String> {
    let program = command.as_std().get_program().to_owned();
    let program = program.to_string_lossy();
    command.stdin(Stdio::null()).kill_on_drop(true);
    let answer = tokio::select! {
        answer = command.output() => answer.with_context(|| format!("cannot run {program}"))?,
        () = stop.cancelled() => bail!("interrupted"),
    };
    let printed = String::from_utf8_lossy(&answer.stdout).into_owned();
    if answer.status.success() {
        return Ok(printed);
    }
    let all = printed + &String::from_utf8_lossy(&answer.stderr);
    let lines: Vec<_> = all.lines().collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
    let how = answer.status.signal().map_or_else(
        || answer.status.to_string(),
        |signal| format!("signal {signal}"),
    );
    bail!("{program} failed ({how}):\n{last}")
}
