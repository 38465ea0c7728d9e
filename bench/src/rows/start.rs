//! The second start of `veritrail up`, and its memory at full load.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::{Bench, bulk};
use crate::cpu::peak_memory;
use crate::load::{self, Load};
use crate::report::{Target, progress};
use crate::system::System;
use crate::template::Ids;

/// A note of the most memory that the program had in all the rows so far.
pub(super) fn memory(bench: &mut Bench<'_>, system: &System) -> Result<()> {
    let peak = crate::report::number(peak_memory(system.pid())?);
    bench.report.note(format!(
        "Through all the rows, 10,000 chains and the reading of evidence among them, one process of \
         `veritrail up` had {peak} MB at most."
    ));
    Ok(())
}

/// Seconds until a start on a used data directory is ready; then the most memory that the process
/// has while it appends at full load.
pub(super) async fn again(bench: &mut Bench<'_>, folder: &Path) -> Result<()> {
    progress("second start and memory");
    let (mut seconds, mut peaks) = (vec![], vec![]);
    while bench.another(&seconds) {
        let start = Instant::now();
        let system = System::start(&bench.programs, folder).await?;
        seconds.push(bench.report.outcome(start.elapsed().as_secs_f64()));
        let loaded = load(bench, &system).await;
        let peak = peak_memory(system.pid());
        system.stop().await?;
        loaded?;
        peaks.push(bench.report.outcome(peak?));
    }
    let report = &mut bench.report;
    report.figure(
        "second start of veritrail up to ready, s",
        seconds,
        Target::AtMost(3.0, " s"),
    );
    let name = "memory of veritrail up at full load (most), MB";
    report.figure(name, peaks, Target::AtMost(200.0, " MB"));
    Ok(())
}

/// Single appends, then large ones.
async fn load(bench: &mut Bench<'_>, system: &System) -> Result<()> {
    let trail = system.trail("default").await?;
    let name = "64 × single, ids by the service";
    bench.single(name, &trail, system, Ids::Server).await?;
    let requests = bulk::requests(&trail.writer.text, Ids::V7, "default");
    let load = Load {
        address: system.address,
        requests,
        rate: None,
    };
    load::run(load, bench.config.seconds, &system.watch()).await?;
    Ok(())
}
