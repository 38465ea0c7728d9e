//! The running PostgreSQL: started, watched, stopped; and one that outlived an
//! earlier `up`, which is stopped first. It never signals a process that it has
//! not recognised as this cluster's.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::process::Child;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::binaries::Binaries;
use crate::cluster::Cluster;

/// Names the socket; there is no TCP port.
pub(crate) const PORT: u16 = 5432;

/// Recovery after a kill replays up to 15 minutes of a busy WAL.
const READY_WITHIN: Duration = Duration::from_mins(10);
/// A fast shutdown writes a checkpoint.
const STOPPED_WITHIN: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(10);
const LOG_BYTES: u64 = 10 * 1024 * 1024;

/// A PostgreSQL that this process started.
#[derive(Debug)]
pub(crate) struct Postmaster {
    pid: Pid,
    /// Its end, once it has come.
    end: watch::Receiver<Option<ExitStatus>>,
    log: PathBuf,
}

/// The first line of postmaster.pid names the process, the last whether it is ready.
fn pid_file(cluster: &Path) -> Option<(Pid, bool)> {
    let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?)?;
    Some((
        pid,
        text.lines()
            .nth(7)
            .is_some_and(|status| status.trim() == "ready"),
    ))
}

/// Stops a PostgreSQL of this cluster that an earlier, killed `up` left running.
/// Returns its process id where there was one.
///
/// # Errors
/// It does not stop.
pub(crate) async fn stop_orphan(cluster: &Cluster) -> anyhow::Result<Option<i32>> {
    let Some((pid, _)) = pid_file(&cluster.path) else {
        return Ok(None);
    };
    if !serves(pid, &cluster.path).await {
        // The machine or container went down and left the file. Where the number
        // is somebody else's by now, PostgreSQL would take him for its twin.
        if test_kill_process(pid).is_ok() {
            fs::remove_file(cluster.path.join("postmaster.pid"))?;
        }
        return Ok(None);
    }
    for (signal, patience) in [
        (Signal::INT, STOPPED_WITHIN),
        (Signal::QUIT, Duration::from_secs(10)),
    ] {
        kill_process(pid, signal)
            .or_else(gone)
            .context("cannot stop the orphaned PostgreSQL")?;
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !serves(pid, &cluster.path).await {
                return Ok(Some(pid.as_raw_nonzero().get()));
            }
            tokio::time::sleep(POLL).await;
        }
    }
    bail!(
        "PostgreSQL, process {}, of an earlier start does not stop",
        pid.as_raw_nonzero()
    )
}

/// Whether the process is alive and the server of this cluster: its arguments
/// name it.
async fn serves(pid: Pid, cluster: &Path) -> bool {
    if test_kill_process(pid).is_err() {
        return false;
    }
    let number = pid.as_raw_nonzero().to_string();
    let name = cluster.as_os_str().as_encoded_bytes();
    if let Ok(arguments) = fs::read(format!("/proc/{number}/cmdline")) {
        return arguments
            .split(|byte| *byte == 0)
            .any(|argument| argument == name);
    }
    // No /proc on macOS.
    let mut ps = tokio::process::Command::new("ps");
    let answer = ps.args(["-o", "command=", "-p", &number]).output().await;
    answer.is_ok_and(|answer| answer.stdout.trim_ascii_end().ends_with(name))
}

fn gone(error: rustix::io::Errno) -> rustix::io::Result<()> {
    if error == rustix::io::Errno::SRCH {
        Ok(())
    } else {
        Err(error)
    }
}

impl Postmaster {
    /// Starts the server and waits until it takes connections.
    ///
    /// # Errors
    /// It ended instead (the message has its last words), or `stop` came first.
    pub(crate) async fn start(
        cluster: &Cluster,
        binaries: &Binaries,
        log: PathBuf,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let (file, before) = open_log(&log)?;
        let mut command = cluster.account.command(&binaries.program("postgres"));
        command
            .arg("-D")
            .arg(&cluster.path)
            .stdout(file.try_clone()?)
            .stderr(Stdio::from(file));
        let child = command.spawn().context("cannot start postgres")?;
        let mut postmaster = Self::watch(child, log)?;
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Some(status) = *postmaster.end.borrow() {
                bail!(
                    "PostgreSQL did not start ({status}): {}",
                    last_words(&postmaster.log, before)
                );
            }
            if pid_file(&cluster.path) == Some((postmaster.pid, true)) {
                return Ok(postmaster);
            }
            if Instant::now() > deadline {
                postmaster.stop().await?;
                bail!(
                    "PostgreSQL was not ready within {} minutes",
                    READY_WITHIN.as_secs() / 60
                );
            }
            tokio::select! {
                _ = postmaster.end.changed() => {}
                () = tokio::time::sleep(POLL) => {}
                () = stop.cancelled() => {
                    postmaster.stop().await?;
                    bail!("interrupted");
                }
            }
        }
    }

    /// Waits for the child in the background, so that its end is noticed
    /// whatever this process is doing.
    fn watch(mut child: Child, log: PathBuf) -> anyhow::Result<Self> {
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let pid = pid.context("postgres ended at once")?;
        let (sender, end) = watch::channel(None);
        tokio::spawn(async move {
            if let Ok(status) = child.wait().await {
                sender.send_replace(Some(status));
            }
        });
        Ok(Self { pid, end, log })
    }

    /// Resolves when the server has ended without being asked to.
    pub(crate) async fn ended(&self) -> anyhow::Error {
        let mut end = self.end.clone();
        let status = end
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|status| *status);
        let status = status.map_or_else(String::new, |status| format!(" ({status})"));
        anyhow::anyhow!(
            "PostgreSQL ended{status}; its log is {}",
            self.log.display()
        )
    }

    /// Fast shutdown: open transactions are rolled back, what was committed is
    /// checkpointed. Quits at once when that takes too long; recovery then does
    /// the rest at the next start.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        for (signal, patience) in [
            (Signal::INT, STOPPED_WITHIN),
            (Signal::QUIT, Duration::from_secs(10)),
        ] {
            // While its end is unknown nobody has waited for it, so the number is still its own.
            if self.end.borrow().is_some() {
                return Ok(());
            }
            kill_process(self.pid, signal)
                .or_else(gone)
                .context("cannot stop PostgreSQL")?;
            if tokio::time::timeout(patience, self.end.wait_for(Option::is_some))
                .await
                .is_ok()
            {
                return Ok(());
            }
        }
        bail!(
            "PostgreSQL, process {}, does not stop",
            self.pid.as_raw_nonzero()
        )
    }
}

impl Drop for Postmaster {
    /// A panic must not leave a server behind either.
    fn drop(&mut self) {
        if self.end.borrow().is_none() {
            let _ = kill_process(self.pid, Signal::INT);
        }
    }
}

/// Opens the log for appending, a long one set aside first; also how long it is.
fn open_log(path: &Path) -> anyhow::Result<(File, u64)> {
    if fs::metadata(path).is_ok_and(|log| log.len() > LOG_BYTES) {
        fs::rename(path, path.with_extension("log.old"))?;
    }
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

/// What the server said since the log was `before` bytes long, its end.
fn last_words(log: &Path, before: u64) -> String {
    let text = fs::read(log).unwrap_or_default();
    let since = usize::try_from(before)
        .ok()
        .and_then(|before| text.get(before..))
        .unwrap_or_default();
    let text = String::from_utf8_lossy(since);
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("; ")
}
