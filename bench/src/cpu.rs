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
    /// This program and the programs it waited for, pgbench and psql among them.
    pub(crate) generator: f64,
    /// The whole machine, time stolen by its host included.
    pub(crate) machine: f64,
}

impl Spent {
    /// What no process of the run used.
    pub(crate) fn others(self) -> f64 {
        (self.machine - self.service - self.postgres - self.generator).max(0.0)
    }
}

impl Sub for Spent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            service: self.service - before.service,
            postgres: self.postgres - before.postgres,
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
}

impl Watch {
    /// Processor seconds of each group until now.
    pub(crate) fn now(&self) -> Result<Spent> {
        let mut spent = Spent {
            machine: machine()?,
            ..Spent::default()
        };
        for pid in &self.services {
            let service = Times::of(*pid).with_context(|| format!("process {pid} is gone"))?;
            spent.service += service.own;
        }
        spent.postgres = self.postgres()?;
        let own = Times::of(std::process::id()).context("/proc has no entry for this process")?;
        spent.generator = own.own + own.waited_for;
        Ok(spent)
    }

    /// What the ended children used is in the postmaster's account, what the living used in their
    /// own: the sum is right when none moved from one to the other while it was made.
    fn postgres(&self) -> Result<f64> {
        loop {
            let before = Times::of(self.postmaster).context("PostgreSQL is gone")?;
            let mut sum = before.own + before.waited_for;
            for pid in processes()? {
                let child = Times::of(pid).filter(|times| times.parent == self.postmaster);
                sum += child.map_or(0.0, |child| child.own);
            }
            let after = Times::of(self.postmaster).context("PostgreSQL is gone")?;
            if after.waited_for.to_bits() == before.waited_for.to_bits() {
                return Ok(sum);
            }
        }
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

/// Busy processor seconds of the whole machine.
fn machine() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let fields: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        .flat_map(str::parse)
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal
    let busy = [0, 1, 2, 5, 6, 7]
        .iter()
        .filter_map(|at| fields.get(*at))
        .sum();
    Ok(seconds(busy))
}

fn processes() -> Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc").context("reading /proc")? {
        let name = entry?.file_name();
        pids.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(pids)
}

/// Most memory that a process ever had resident, in MB of 10^6 bytes.
pub(crate) fn peak_memory(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok())
        .context("/proc has no VmHWM")?;
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
