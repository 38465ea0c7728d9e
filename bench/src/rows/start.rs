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

/// The most memory that the whole program had so far, with the heaviest load at the end.
pub(super) async fn memory(bench: &mut Bench<'_>, system: &System) -> Result<()> {
    progress("memory");
    let trail = system.trail("default").await?;
    bench
        .single(
            "64 × single, ids by the service",
            &trail,
            system,
            Ids::Server,
        )
        .await?;
    let requests = bulk::requests(&trail.writer.text, Ids::V7, "default");
    let load = Load {
        address: system.address,
        requests,
        rate: None,
    };
    load::run(load, bench.config.seconds, &system.watch()).await?;
    bench.report.begin();
    let peak = vec![bench.report.outcome(peak_memory(system.pid())?)];
    bench.report.figure(
        "memory of veritrail up at full load (most), MB",
        peak,
        Target::AtMost(200.0, " MB"),
    );
    Ok(())
}

/// Seconds until a start on a used data directory is ready.
pub(super) async fn again(bench: &mut Bench<'_>, folder: &Path) -> Result<()> {
    progress("second start");
    let mut seconds = vec![];
    while bench.another(&seconds) {
        let start = Instant::now();
        let system = System::start(&bench.programs, folder).await?;
        seconds.push(bench.report.outcome(start.elapsed().as_secs_f64()));
        system.stop().await?;
    }
    bench.report.figure(
        "second start of veritrail up to ready, s",
        seconds,
        Target::AtMost(3.0, " s"),
    );
    Ok(())
}
