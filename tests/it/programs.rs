//! The real programs as processes: started on a database of their own, ready when they say so,
//! ended with the test. Everything they print is kept, for `secrets.rs` to read.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// A running program and what it has printed so far.
pub(crate) struct Program {
    child: Child,
    printed: Arc<Mutex<String>>,
    lines: watch::Receiver<usize>,
}

/// Where cargo put the programs of the workspace: beside this test's own folder.
pub(crate) fn program_path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is not built: make test builds it",
        path.display()
    );
    path
}

impl Program {
    /// Starts it with nothing of this process's environment but PATH and HOME.
    pub(crate) fn start(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program_path(name));
        command
            .args(arguments)
            .env_clear()
            .envs(std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let printed = Arc::new(Mutex::new(String::new()));
        let (count, lines) = watch::channel(0);
        let count = Arc::new(count);
        keep(
            child.stdout.take().unwrap(),
            Arc::clone(&printed),
            Arc::clone(&count),
        );
        keep(child.stderr.take().unwrap(), Arc::clone(&printed), count);
        Self {
            child,
            printed,
            lines,
        }
    }

    /// Until a line contains this.
    ///
    /// # Panics
    /// When the program ends first.
    pub(crate) async fn says(&mut self, what: &str) {
        loop {
            let closed = self.lines.changed().await.is_err();
            if self.printed().contains(what) {
                return;
            }
            assert!(
                !closed,
                "ended without saying {what:?}:\n{}",
                self.printed()
            );
        }
    }

    pub(crate) fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// SIGKILL, and gone when this returns.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM; the exit code when it has drained.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.ends().await
    }

    /// Its exit code, when it ends by itself; all that it printed is read by then.
    pub(crate) async fn ends(&mut self) -> Option<i32> {
        let status = self.child.wait().await.unwrap();
        while self.lines.changed().await.is_ok() {}
        status.code()
    }
}

fn keep(
    pipe: impl AsyncRead + Send + Unpin + 'static,
    printed: Arc<Mutex<String>>,
    count: Arc<watch::Sender<usize>>,
) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut text = printed.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
            drop(text);
            count.send_modify(|count| *count += 1);
        }
    });
}

/// A port that was free a moment ago: two services that name each other need theirs beforehand.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A file that is gone with the test.
pub(crate) fn write_file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
