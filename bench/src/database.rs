//! PostgreSQL without Veritrail: the yardsticks, in a database of their own on the same server,
//! through the server's own programs psql and pgbench. Never touches the ledger's rows.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use url::Url;

use crate::cpu::{Spent, Watch};

/// A database on the server that `veritrail up` started.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    url: Url,
}

/// What pgbench measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transactions {
    /// Transactions a second, without the time to connect.
    pub(crate) rate: f64,
    pub(crate) count: u64,
    pub(crate) spent: Spent,
}

/// How pgbench sends its statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The text of each statement, as pgbench does when nothing else is said.
    Simple,
    /// Prepared once per connection.
    Prepared,
}

impl Database {
    pub(crate) fn new(url: &str) -> Result<Self> {
        Ok(Self {
            url: Url::parse(url).context("database_url")?,
        })
    }

    /// The yardsticks' database on the same server, made anew.
    pub(crate) fn yardstick(&self) -> Result<Self> {
        self.made("yardstick")
    }

    /// Another database on the same server, made anew.
    pub(crate) fn made(&self, name: &str) -> Result<Self> {
        self.run(&format!("drop database if exists {name}"))?;
        self.run(&format!("create database {name}"))?;
        let mut url = self.url.clone();
        url.set_path(name);
        Ok(Self { url })
    }

    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// psql on this database, for the caller to start.
    pub(crate) fn psql(&self, statement: &str) -> Command {
        let mut command = Command::new("psql");
        command
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set", "ON_ERROR_STOP=1", "--command", statement])
            .arg(self.url.as_str());
        command
    }

    /// Runs one statement and returns what it prints, trimmed.
    pub(crate) fn run(&self, statement: &str) -> Result<String> {
        let output = self.psql(statement).output().context("running psql")?;
        if !output.status.success() {
            bail!(
                "{statement}: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Lets the server go through its WAL once, with nothing in it. From then on it writes to files that are there,
    /// as a server does that has been in use: while a new one is zeroed and synced every commit waits.
    pub(crate) fn wear_in(&self) -> Result<()> {
        self.run(
            "do $$ begin
               for file in 1..(select w.setting::int8 * 1024 * 1024 / f.setting::int8
                                 from pg_settings w, pg_settings f
                                where w.name = 'max_wal_size' and f.name = 'wal_segment_size')
               loop
                 perform pg_logical_emit_message(false, '', ''), pg_switch_wal();
               end loop;
             end $$",
        )?;
        self.run("checkpoint").map(drop)
    }

    /// Whether there is more than finds room in the server's buffers.
    pub(crate) fn exceeds_its_buffers(&self) -> Result<bool> {
        let exceeds = self.run(
            "select pg_database_size(current_database()) > b.setting::int8 * k.setting::int8
               from pg_settings b, pg_settings k where b.name = 'shared_buffers' and k.name = 'block_size'",
        )?;
        Ok(exceeds == "t")
    }

    /// Writes what a query gives into a file, in COPY's text format.
    pub(crate) fn copy_out(&self, query: &str, file: &Path) -> Result<()> {
        let out = std::fs::File::create(file)?;
        let mut command = self.psql(&format!("copy ({query}) to stdout"));
        let status = command.stdout(out).status().context("running psql")?;
        if status.success() {
            Ok(())
        } else {
            bail!("psql could not copy out")
        }
    }

    /// Reads a file in COPY's text format into a table; returns the seconds it took.
    pub(crate) fn copy_in(&self, table: &str, file: &Path) -> Result<f64> {
        let mut command = self.psql(&format!("copy {table} from stdin"));
        let command = command.stdin(std::fs::File::open(file)?);
        let start = Instant::now();
        let status = command.status().context("running psql")?;
        if status.success() {
            Ok(start.elapsed().as_secs_f64())
        } else {
            bail!("psql could not copy in")
        }
    }

    /// Runs a script with pgbench at 64 clients.
    pub(crate) fn pgbench(
        &self,
        script: &Path,
        protocol: Protocol,
        seconds: u64,
        watch: &Watch,
    ) -> Result<Transactions> {
        let protocol = if protocol == Protocol::Simple {
            "simple"
        } else {
            "prepared"
        };
        let before = watch.now()?;
        let output = Command::new("pgbench")
            .args([
                "--no-vacuum",
                "--client=64",
                "--jobs=2",
                "--protocol",
                protocol,
            ])
            .arg(format!("--time={seconds}"))
            .arg("--file")
            .arg(script)
            .arg(self.url.as_str())
            .stdin(Stdio::null())
            .output()
            .context("running pgbench")?;
        let spent = watch.now()? - before;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!(
                "pgbench: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let after = |mark: &str| text.lines().find_map(|line| line.strip_prefix(mark));
        let word = |line: &str| line.split([' ', '/']).next().map(str::to_owned);
        let rate = after("tps = ")
            .and_then(word)
            .context("pgbench printed no tps")?;
        let count = after("number of transactions actually processed: ").and_then(word);
        let count = count.context("pgbench printed no count")?;
        Ok(Transactions {
            rate: rate.parse()?,
            count: count.parse()?,
            spent,
        })
    }
}

/// The bytes of one stored entry, to be written by the yardsticks.
#[derive(Debug, Clone)]
pub(crate) struct Texts {
    pub(crate) event: String,
    pub(crate) parts: String,
}

/// The scripts of the yardsticks, and the tables that they need.
#[derive(Debug)]
pub(crate) struct Yardsticks {
    pub(crate) database: Database,
    /// One insert, one transaction.
    pub(crate) plain: PathBuf,
    /// A chain that locks its head in each transaction.
    pub(crate) locked: PathBuf,
}

impl Yardsticks {
    /// Makes the database, its tables and the scripts, in `folder`.
    pub(crate) fn prepare(ledger: &Database, folder: &Path, texts: &Texts) -> Result<Self> {
        let database = ledger.yardstick()?;
        database.run(
            "create table plain (seq bigint generated always as identity primary key,
               tenant uuid not null, partition text not null,
               received_at timestamptz not null default now(), id uuid not null,
               salt bytea, hash bytea not null, event text not null, parts text)",
        )?;
        database.run(
            "create table heads (chain int primary key, size bigint not null, hash bytea not null)
               with (fillfactor = 50)",
        )?;
        database.run("insert into heads values (1, 0, sha256(''))")?;
        database.run(
            "create table locked (chain int, seq bigint, tenant uuid not null,
               partition text not null, received_at timestamptz not null default now(),
               id uuid not null, salt bytea, hash bytea not null, event text not null, parts text,
               primary key (chain, seq))",
        )?;
        let values = format!(
            "'0197d5a0-0000-7000-8000-000000000001', 'default',
             '0197d5a0-0000-7000-8000-000000000002', '\\x00112233445566778899aabbccddeeff',
             sha256('0'), '{}', '{}'",
            texts.event.replace('\'', "''"),
            texts.parts.replace('\'', "''"),
        )
        .replace('\n', " ");
        let columns = "tenant, partition, id, salt, hash, event, parts";
        let plain = format!("insert into plain ({columns}) values ({values});\n");
        let locked = format!(
            "begin;\n\
             select size, hash from heads where chain = 1 for update \\gset\n\
             insert into locked (chain, seq, {columns}) values (1, :size, {values});\n\
             update heads set size = size + 1, hash = sha256(hash) where chain = 1;\n\
             commit;\n"
        );
        Ok(Self {
            database,
            plain: script(folder, "plain.sql", &plain)?,
            locked: script(folder, "locked.sql", &locked)?,
        })
    }
}

fn script(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::File::create(&path)?.write_all(text.as_bytes())?;
    Ok(path)
}
