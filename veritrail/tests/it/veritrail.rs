//! Runs the binary: `up` in the background until it is ready, other commands to
//! their end, each test in a folder of its own with a home of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

/// A folder that goes away with the test, and whatever still runs in it first.
pub(crate) struct Place {
    pub(crate) path: PathBuf,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A running `veritrail up`.
pub(crate) struct Up {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) address: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("veritrail-it-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&path).unwrap();
        Self { path }
    }

    /// The data directory's.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.path.join(".veritrail").join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_veritrail"));
        command
            .args(arguments)
            .current_dir(&self.path)
            .env("HOME", &self.path)
            .env("XDG_CONFIG_HOME", self.path.join("config"))
            .env_remove("DATABASE_URL")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    /// Runs a command to its end, with this on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ended::of(&child.wait_with_output().unwrap())
    }

    /// `up` on a free port, not waited for.
    pub(crate) fn spawn_up(&self, more: &[&str]) -> Child {
        self.spawn_up_at("127.0.0.1:0", more)
    }

    fn spawn_up_at(&self, listen: &str, more: &[&str]) -> Child {
        let mut arguments = vec!["--json", "up", "--no-install", "--listen", listen];
        arguments.extend(more);
        let log = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path.join("up.err"))
            .unwrap();
        self.command(&arguments)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// `up` on a free port, ready.
    pub(crate) fn up(&self) -> Up {
        self.up_with(&[])
    }

    /// The same with more options.
    pub(crate) fn up_with(&self, more: &[&str]) -> Up {
        self.ready(self.spawn_up(more))
    }

    /// `up` where one was that has stopped, ready.
    pub(crate) fn up_again(&self, address: &str) -> Up {
        let listen = address.trim_start_matches("http://").trim_end_matches('/');
        self.ready(self.spawn_up_at(listen, &[]))
    }

    fn ready(&self, mut child: Child) -> Up {
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            child.wait().unwrap();
            panic!("not ready ({error}): {}", self.said())
        });
        let address = ready["address"].as_str().unwrap().to_owned();
        Up {
            child,
            stdout,
            address,
        }
    }

    /// What every `up` here wrote to standard error.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.path.join("up.err")).unwrap()
    }

    /// As the superuser.
    pub(crate) async fn database(&self) -> PgConnection {
        let credentials = self.credentials();
        let url = credentials["database_url"].as_str().unwrap();
        PgConnection::connect(url).await.unwrap()
    }

    /// Until searches find everything in `default`.
    pub(crate) async fn until_indexed(&self) {
        let mut database = self.database().await;
        let behind = "select count(*) from ledger.heads h, pg_sleep(0.02)
                       where h.partition = 'default' and h.size > coalesce((
                         select k.next from ledger.cursors k
                          where k.follower = $1 and k.tenant = h.tenant and k.partition = h.partition), 0)";
        let mut looks = 0;
        while {
            let behind = sqlx::query_scalar::<_, i64>(behind).bind(search::VISIBLE);
            behind.fetch_one(&mut database).await.unwrap() > 0
        } {
            looks += 1;
            assert!(
                looks < 3_000,
                "the index is not caught up with after a minute"
            );
        }
        database.close().await.unwrap();
    }

    /// What `credentials.json` holds.
    pub(crate) fn credentials(&self) -> Value {
        serde_json::from_slice(&fs::read(self.data("credentials.json")).unwrap()).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(pid) = postmaster(&self.path.join(".veritrail")) {
            let _ = kill_process(pid, Signal::QUIT);
            wait_for_end(pid);
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The server that the cluster's own file names, if it lives.
pub(crate) fn postmaster(data: &Path) -> Option<Pid> {
    let text = fs::read_to_string(data.join("postgres/postmaster.pid")).ok()?;
    let pid = Pid::from_raw(text.lines().next()?.parse().ok()?)?;
    let arguments = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
    String::from_utf8_lossy(&arguments)
        .contains(&*data.to_string_lossy())
        .then_some(pid)
}

/// Waits for the end of a process that is not a child.
pub(crate) fn wait_for_end(pid: Pid) {
    let Ok(handle) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else {
        return;
    };
    let mut events = [rustix::event::PollFd::new(
        &handle,
        rustix::event::PollFlags::IN,
    )];
    rustix::event::poll(&mut events, None).unwrap();
}

impl Ended {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// The command did what it should.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }

    /// The JSON values that it printed.
    pub(crate) fn values(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The only JSON value that it printed.
    #[track_caller]
    pub(crate) fn value(&self) -> Value {
        let mut values = self.values();
        assert_eq!(values.len(), 1, "{}", self.out);
        values.remove(0)
    }
}

impl Up {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).unwrap()
    }

    /// The terminal's Ctrl-C.
    pub(crate) fn interrupt(mut self) -> i32 {
        kill_process(self.pid(), Signal::INT).unwrap();
        let status = self.child.wait().unwrap();
        status.code().unwrap_or(-1)
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself.
    pub(crate) fn end(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Whatever else it printed.
    pub(crate) fn rest(mut self) -> String {
        kill_process(self.pid(), Signal::INT).unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap();
        rest
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Already waited for, or a test that failed.
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process(self.pid(), Signal::INT);
            let _ = self.child.wait();
        }
    }
}
