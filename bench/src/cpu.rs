//! Processor time by process, from `/proc`: the steadiest figure on a shared machine. Never
//! looks at anything but numbers of processes.

use std::fs;
use std::ops::Sub;
use std::path::Path;

use anyhow::{Context, Result};

/// Processor seconds since some beginning.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) service: f64,
    pub(crate) postgres: f64,
    /// OpenSearch, in the rows that have one.
    pub(crate) opensearch: f64,
    /// This program and the programs it waited for, pgbench and psql among them.
    pub(crate) generator: f64,
    /// Every process of the machine.
    pub(crate) machine: f64,
}

impl Spent {
    /// What the processes used that are none of the run's.
    pub(crate) fn others(self) -> f64 {
        let own = self.service + self.postgres + self.opensearch + self.generator;
        (self.machine - own).max(0.0)
    }
}

impl Sub for Spent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            service: self.service - before.service,
            postgres: self.postgres - before.postgres,
            opensearch: self.opensearch - before.opensearch,
            generator: self.generator - before.generator,
            machine: self.machine - before.machine,
        }
    }
}

/// The processes of a run.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    /// The service processes.
    pub(crate) services: Vec<u32>,
    /// PostgreSQL's first process; its children are found anew each time.
    pub(crate) postmaster: u32,
    /// OpenSearch's one process.
    pub(crate) opensearch: Option<u32>,
}

impl Watch {
    /// Processor seconds of each group until now.
    ///
    /// What ended children used is in their parent's account, what the living used in their own:
    /// the sums are right when PostgreSQL's first process took nothing over meanwhile.
    pub(crate) fn now(&self) -> Result<Spent> {
        loop {
            let before = Times::of(self.postmaster).context("PostgreSQL is gone")?;
            let spent = self.sum()?;
            let after = Times::of(self.postmaster).context("PostgreSQL is gone")?;
            if after.waited_for.to_bits() == before.waited_for.to_bits() {
                return Ok(spent);
            }
        }
    }

    fn sum(&self) -> Result<Spent> {
        let own = std::process::id();
        let mut spent = Spent::default();
        for entry in fs::read_dir("/proc").context("reading /proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let Some(times) = Times::of(pid) else {
                continue;
            };
            let all = times.own + times.waited_for;
            spent.machine += all;
            if pid == own {
                spent.generator += all;
            } else if self.services.contains(&pid) {
                spent.service += times.own;
            } else if self.opensearch == Some(pid) {
                spent.opensearch += all;
            } else if pid == self.postmaster || times.parent == self.postmaster {
                spent.postgres += all;
            }
        }
        Ok(spent)
    }
}

/// One line of `/proc/PID/stat`.
struct Times {
    parent: u32,
    own: f64,
    waited_for: f64,
}

impl Times {
    /// `None` when there is no such process (any more).
    fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses and may hold anything.
        let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
        let seconds = |at: usize| Some(seconds(fields.get(at)?.parse().ok()?));
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: seconds(11)? + seconds(12)?,
            waited_for: seconds(13)? + seconds(14)?,
        })
    }
}

fn seconds(ticks: f64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "100 ticks a second on every Linux"
    )]
    let rate = rustix::param::clock_ticks_per_second() as f64;
    ticks / rate
}

/// Most memory that a process ever had resident, in MB of 10^6 bytes.
pub(crate) fn peak_memory(pid: u32) -> Result<f64> {
    memory(pid, "VmHWM:")
}

/// Memory that a process has resident now, in MB of 10^6 bytes.
pub(crate) fn resident_memory(pid: u32) -> Result<f64> {
    memory(pid, "VmRSS:")
}

fn memory(pid: u32, name: &'static str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok())
        .with_context(|| format!("/proc has no {name}"))?;
    Ok(kib * 1024.0 / 1e6)
}

/// The model of the processor and the number of cores.
pub(crate) fn machine_name() -> String {
    let info = fs::read_to_string(Path::new("/proc/cpuinfo")).unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, {model}")
}
