//! The rows of the table, and what they share.

mod beside;
mod bulk;
mod chains;
mod disk;
mod distributed;
mod embedded;
mod export;
mod export_memory;
mod index;
mod lag;
mod latency;
mod neighbours;
mod replicas;
mod search;
mod single;
mod size;
mod start;
mod stream;
mod tenants;
mod verify;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::sleep;

use crate::check::Trail;
use crate::config::{Config, Row};
use crate::cpu::{self, Watch};
use crate::load::{self, Load, Measured};
use crate::report::{Outcome, Report, Round, around, progress};
use crate::system::System;
use crate::template::{Ids, Into, Template};

/// Connections of the full load.
const CONNECTIONS: u64 = 64;

/// Bytes on disk for each entry that is filled in and indexed, generously: rows, keys, the WAL of the filling,
/// and the index.
const BYTES: u64 = 4_000;

/// How long a look at the progress of an index waits; tokens last longer.
const LOOK: Duration = Duration::from_mins(1);

/// What is added to the name of a figure that was taken on a system that indexes.
const INDEXED: &str = ", beside indexing";

/// Cores that others may use when a measurement starts.
const QUIET: f64 = 0.25;

/// What the rows have in common.
struct Bench<'a> {
    config: &'a Config,
    programs: PathBuf,
    scratch: PathBuf,
    report: Report,
}

/// Measures what the configuration asks for.
pub(crate) async fn run(config: &Config) -> Result<()> {
    let interrupted = system::interrupted()?;
    // Not after hours, when there is something to write.
    if let Some(file) = &config.markdown {
        around(file)?;
    }
    let own = std::env::current_exe().context("where this program is")?;
    let beside = own
        .parent()
        .context("this program has no folder")?
        .to_owned();
    let scratch = config.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = scratch.join(format!("veritrail-bench-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let programs = config.programs.clone().unwrap_or(beside);
    let mut bench = Bench {
        config,
        programs,
        scratch,
        report: Report::default(),
    };
    let measured = tokio::select! {
        measured = bench.rows() => measured,
        // What was started has ended when the rows are given up.
        () = interrupted => {
            std::fs::remove_dir_all(&bench.scratch)?;
            bail!("interrupted");
        }
    };
    let reported = bench.report.finish(config.markdown.as_deref());
    if measured.is_ok() {
        std::fs::remove_dir_all(&bench.scratch)?;
    } else {
        progress(&format!("logs are in {}", bench.scratch.display()));
    }
    measured.and(reported)
}

impl Bench<'_> {
    async fn rows(&mut self) -> Result<()> {
        self.report.condition(cpu::machine_name());
        self.report.condition(format!(
            "generator, services, PostgreSQL and OpenSearch share the machine; {} rounds of {} s each, the \
             two sides of a ratio in turn",
            self.config.rounds, self.config.seconds
        ));
        self.core().await?;
        self.whole().await?;
        if self.config.wants(Row::Replicas) {
            replicas::measure(self).await?;
        }
        if self.config.wants(Row::Lag) {
            lag::measure(self).await?;
        }
        if self.config.wants(Row::Beside) {
            beside::measure(self).await?;
        }
        distributed::measure(self).await?;
        export_memory::measure(self).await?;
        if self.config.wants(Row::Embedded) {
            embedded::measure(self).await?;
        }
        size::measure(self).await?;
        Ok(())
    }

    /// What the ledger does by itself, on a system that indexes nothing: what indexing costs is measured by
    /// [`beside`] and by [`Bench::whole`]. In an order in which no row spoils the next: the first has the
    /// tables to itself, the one with 10,000 chains comes last.
    async fn core(&mut self) -> Result<()> {
        let rows = [
            Row::Disk,
            Row::Single,
            Row::Bulk,
            Row::Latency,
            Row::Verify,
            Row::Neighbours,
            Row::Chains,
        ];
        if !rows.into_iter().any(|row| self.config.wants(row)) {
            return Ok(());
        }
        let folder = self.scratch.join("core");
        let system = System::start_with(&self.programs, &folder, &["--no-index"]).await?;
        let measured = self.core_rows(&system).await;
        let stopped = system.stop().await;
        measured.and(stopped)?;
        std::fs::remove_dir_all(&folder)?;
        Ok(())
    }

    async fn core_rows(&mut self, system: &System) -> Result<()> {
        self.conditions(system)?;
        system.database()?.wear_in()?;
        if self.config.wants(Row::Disk) {
            disk::measure(self, system).await?;
        }
        if self.config.wants(Row::Single) {
            single::measure(self, system).await?;
        }
        if self.config.wants(Row::Bulk) {
            bulk::measure(self, system).await?;
        }
        if self.config.wants(Row::Latency) {
            latency::measure(self, system, "").await?;
        }
        if self.config.wants(Row::Verify) {
            verify::measure(self, system).await?;
        }
        if self.config.wants(Row::Neighbours) {
            neighbours::measure(self, system, "").await?;
        }
        if self.config.wants(Row::Chains) {
            chains::measure(self, system).await?;
        }
        Ok(())
    }

    /// What a system does as it comes: it indexes what is appended.
    async fn whole(&mut self) -> Result<()> {
        let rows = [
            Row::Latency,
            Row::Export,
            Row::Neighbours,
            Row::Stream,
            Row::Start,
        ];
        if !rows.into_iter().any(|row| self.config.wants(row)) {
            return Ok(());
        }
        let folder = self.scratch.join("whole");
        let system = System::start(&self.programs, &folder).await?;
        let measured = self.whole_rows(&system).await;
        let stopped = system.stop().await;
        measured.and(stopped)?;
        if self.config.wants(Row::Start) {
            start::again(self, &folder).await?;
        }
        std::fs::remove_dir_all(&folder)?;
        Ok(())
    }

    async fn whole_rows(&mut self, system: &System) -> Result<()> {
        system.database()?.wear_in()?;
        if self.config.wants(Row::Latency) {
            latency::measure(self, system, INDEXED).await?;
        }
        if self.config.wants(Row::Export) {
            export::measure(self, system).await?;
        }
        if self.config.wants(Row::Neighbours) {
            neighbours::measure(self, system, INDEXED).await?;
        }
        if self.config.wants(Row::Stream) {
            stream::measure(self, system).await?;
        }
        if self.config.wants(Row::Start) {
            start::memory(self, system)?;
        }
        Ok(())
    }

    fn conditions(&mut self, system: &System) -> Result<()> {
        let database = system.database()?;
        let setting = |name: &str| database.run(&format!("show {name}"));
        self.report.condition(format!(
            "PostgreSQL {}, started by `veritrail up` with its own settings, and `--no-index` where indexing is not \
             named: fsync {}, \
             synchronous_commit {}, full_page_writes {}, shared_buffers {}, max_wal_size {}, \
             wal_compression {}, checkpoint_timeout {}; data checksums {}; all files of the WAL written before, as in a \
             server that has been in use, except for two log-services, the time until a search finds, OpenSearch and \
             the large embedded index",
            setting("server_version")?,
            setting("fsync")?,
            setting("synchronous_commit")?,
            setting("full_page_writes")?,
            setting("shared_buffers")?,
            setting("max_wal_size")?,
            setting("wal_compression")?,
            setting("checkpoint_timeout")?,
            setting("data_checksums")?,
        ));
        Ok(())
    }

    /// Waits until the rest of the machine is quiet, for a bounded time.
    async fn quiet(&self, watch: &Watch) -> Result<()> {
        for _ in 0..self.config.patience {
            let before = watch.now()?;
            sleep(Duration::from_secs(1)).await;
            if (watch.now()? - before).others() < QUIET {
                return Ok(());
            }
        }
        Ok(())
    }

    /// An error unless so many bytes are free for the databases of the run, and some more.
    fn room(&self, bytes: u64, option: &str) -> Result<()> {
        let disk = rustix::fs::statvfs(&self.scratch)?;
        let free = disk.f_bavail * disk.f_frsize;
        let needed = bytes + 10_000_000_000;
        ensure!(
            free > needed,
            "{needed} bytes are needed and {free} are free: choose fewer {option}"
        );
        Ok(())
    }

    /// Whether a comparison needs one more round, which then begins: until so many were calm as are
    /// wanted, but three times as many at most.
    fn another(&mut self, rounds: &[Outcome]) -> bool {
        self.report.begin();
        let calm = rounds.iter().filter(|round| round.is_calm()).count() as u64;
        calm < self.config.rounds && (rounds.len() as u64) < 3 * self.config.rounds
    }

    /// One measurement of single appends on one chain, checked and reported.
    async fn single(
        &mut self,
        name: &str,
        trail: &Trail,
        system: &System,
        ids: Ids,
    ) -> Result<Measured> {
        let watch = system.watch();
        self.quiet(&watch).await?;
        let into = Into::One(trail.chain.partition.clone());
        let requests = singles(&trail.writer.text, ids, &into, CONNECTIONS);
        let before = trail.size()?;
        let load = Load {
            address: system.address,
            requests,
            rate: None,
        };
        let measured = load::run(load, self.config.seconds, &watch).await?;
        trail.check(before, &[&measured]).await?;
        self.report.round(name, round(&measured));
        Ok(measured)
    }
}

/// A template for each connection.
fn singles(token: &str, ids: Ids, into: &Into, connections: u64) -> Vec<Template> {
    (0..connections)
        .map(|lane| Template::single(token, ids, into, lane))
        .collect()
}

/// The figures of a measurement.
fn round(measured: &Measured) -> Round {
    Round {
        rate: measured.rate(),
        entries: measured.entries,
        seconds: measured.seconds,
        spent: measured.spent,
        p50: measured.quantile(0.5),
        p99: measured.quantile(0.99),
    }
}

/// A folder below another, made.
fn folder(parent: &Path, name: &str) -> Result<PathBuf> {
    let path = parent.join(name);
    std::fs::create_dir_all(&path)?;
    Ok(path)
}
