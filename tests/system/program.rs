//! A real program as a process: ready when it says so, ended with its owner. Everything that it
//! prints is kept in a file.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::config;

const SAYS_WITHIN: Duration = Duration::from_mins(2);

/// A running program.
pub struct Program {
    child: Child,
    log: PathBuf,
    /// Bytes that an earlier program left in the file.
    before: usize,
    /// Counts the lines; closed when no more come.
    lines: watch::Receiver<usize>,
}

/// Where cargo put the programs of the workspace: beside this one, or beside a test's own folder.
///
/// # Errors
/// It is not built.
pub fn program_path(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let found = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built: `cargo build --workspace` builds it"))
}

impl Program {
    /// Starts it with nothing of this process's environment but PATH and HOME, away from the
    /// terminal's signals. What it prints is added to the file.
    pub fn start(
        name: &str,
        arguments: &[&str],
        environment: &[(String, String)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program_path(name)?);
        command
            .args(arguments)
            .env_clear()
            .envs(config::inherited())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let file = std::fs::File::options()
            .append(true)
            .create(true)
            .open(log)?;
        let before = usize::try_from(file.metadata()?.len())?;
        let file = Arc::new(Mutex::new(file));
        let (count, lines) = watch::channel(0);
        let count = Arc::new(count);
        keep(child.stdout.take(), Arc::clone(&file), Arc::clone(&count));
        keep(child.stderr.take(), file, count);
        Ok(Self {
            child,
            log: log.to_owned(),
            before,
            lines,
        })
    }

    /// Until a line contains this.
    ///
    /// # Errors
    /// The program ends first, or says nothing of the kind for two minutes.
    pub async fn says(&mut self, what: &str) -> anyhow::Result<()> {
        let said = async {
            loop {
                let closed = self.lines.changed().await.is_err();
                let printed = self.printed()?;
                if printed[self.before..].contains(what) {
                    return Ok(());
                }
                if closed {
                    bail!("ended without saying {what:?}:\n{}", last_lines(&printed));
                }
            }
        };
        let said = tokio::time::timeout(SAYS_WITHIN, said).await;
        said.with_context(|| format!("never says {what:?}"))?
    }

    /// Everything that it has printed.
    pub fn printed(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(&self.log)?)
    }

    /// Its process; `None` when it is known to have ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// SIGKILL, and gone when this returns.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    /// SIGTERM; the exit code when it has drained.
    pub async fn stop(&mut self) -> anyhow::Result<Option<i32>> {
        self.signal(Signal::TERM);
        self.ends().await
    }

    /// Sends a signal while it lives.
    pub fn signal(&self, signal: Signal) {
        if let Some(id) = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
        {
            let _ = rustix::process::kill_process(id, signal);
        }
    }

    /// Its exit code, when it ends by itself; all that it printed is in the file by then.
    pub async fn ends(&mut self) -> anyhow::Result<Option<i32>> {
        let status = self.child.wait().await?;
        while self.lines.changed().await.is_ok() {}
        Ok(status.code())
    }
}

pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

fn keep(
    pipe: Option<impl AsyncRead + Send + Unpin + 'static>,
    file: Arc<Mutex<std::fs::File>>,
    count: Arc<watch::Sender<usize>>,
) {
    let Some(pipe) = pipe else { return };
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Ok(mut file) = file.lock() {
                // A full disk is no reason to stop the program whose output this is.
                let _ = file.write_all(format!("{line}\n").as_bytes());
            }
            count.send_modify(|count| *count += 1);
        }
    });
}
