//! Two log-services on one chain beside one, as programs of their own on one database: the same
//! 64 connections, to one of them or to both.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use super::{Bench, CONNECTIONS, round, singles};
use crate::check::Trail;
use crate::cpu::Watch;
use crate::load::{self, Load, Measured};
use crate::programs::{Programs, Running};
use crate::report::{Round, Target, progress};
use crate::system::System;
use crate::template::{Ids, Into};

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    progress("two replicas on one chain");
    let folder = super::folder(&bench.scratch, "replicas")?;
    // Only for its PostgreSQL; it idles while the programs are measured.
    let system = System::start(&bench.programs, &folder).await?;
    let measured = distributed(bench, &system, &folder).await;
    let stopped = system.stop().await;
    std::fs::remove_dir_all(&folder)?;
    measured.and(stopped)
}

async fn distributed(bench: &mut Bench<'_>, system: &System, folder: &Path) -> Result<()> {
    let database = system.database()?.made("distributed")?;
    let programs = Programs {
        folder: bench.programs.clone(),
        scratch: folder.to_owned(),
        database,
        logs: 2,
        index: None,
    };
    let running = programs.start().await?;
    let watch = Watch {
        services: running.pids(),
        ..system.watch()
    };
    let measured = compare(bench, &running, &watch).await;
    let stopped = running.stop().await;
    measured.and(stopped)
}

async fn compare(bench: &mut Bench<'_>, running: &Running, watch: &Watch) -> Result<()> {
    let mut ratios = vec![];
    while bench.another(&ratios) {
        let trail = running.trail("default").await?;
        let one = load(bench, watch, &trail, &running.logs[..1]).await?;
        let two = load(bench, watch, &trail, &running.logs).await?;
        ratios.push(bench.report.outcome(two / one));
    }
    let name = "two log-services on one chain ÷ one";
    bench.report.figure(name, ratios, Target::AtLeast(0.7));
    Ok(())
}

/// Appends a second through some of the log-services, with the same connections in all.
async fn load(
    bench: &mut Bench<'_>,
    watch: &Watch,
    trail: &Trail,
    logs: &[SocketAddr],
) -> Result<f64> {
    bench.quiet(watch).await?;
    let into = Into::One("default".to_owned());
    let each = CONNECTIONS / logs.len() as u64;
    let mut loads = Vec::new();
    for (nth, address) in (0..).zip(logs) {
        let mut requests = singles(&trail.writer.text, Ids::Server, &into, CONNECTIONS);
        requests.rotate_left(nth * usize::try_from(each)?);
        requests.truncate(usize::try_from(each)?);
        loads.push(Load {
            address: *address,
            requests,
            rate: None,
        });
    }
    let before = trail.size()?;
    let measured = load::run_all(loads, bench.config.seconds, watch).await?;
    let all: Vec<&Measured> = measured.iter().collect();
    trail.check(before, &all).await?;
    let whole = together(&measured);
    let name = format!(
        "64 × single, programs of their own, {} log-service",
        logs.len()
    );
    bench.report.round(&name, whole);
    Ok(whole.rate)
}

/// Loads that ran at the same time, as one.
fn together(measured: &[Measured]) -> Round {
    let mut whole = round(&measured[0]);
    for other in &measured[1..] {
        let other = round(other);
        whole.rate += other.rate;
        whole.entries += other.entries;
        whole.p50 = whole.p50.max(other.p50);
        whole.p99 = whole.p99.max(other.p99);
    }
    whole
}
