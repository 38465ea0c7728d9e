//! The time to the acknowledgement with 16 connections, at half the load that they can make.
//! Requests are due at fixed times, and the time counts from then, so a stall counts for all that it delays.

use anyhow::Result;

use super::{Bench, round, singles};
use crate::check::Trail;
use crate::load::{self, Load, Measured};
use crate::report::{Target, progress};
use crate::system::System;
use crate::template::{Ids, Into};

const CONNECTIONS: u64 = 16;

/// `beside`: what goes on at the same time, for the names.
pub(super) async fn measure(bench: &mut Bench<'_>, system: &System, beside: &str) -> Result<()> {
    progress(&format!("latency at half the largest load{beside}"));
    // As on a server that has run for a while: files of the WAL are there to be written again. Each one
    // that has to be made and zeroed first holds all appends up.
    system.database()?.run("checkpoint")?;
    let mut p99 = vec![];
    while bench.another(&p99) {
        let trail = system.trail("default").await?;
        let full = sixteen(bench, system, &trail, None).await?;
        let name = format!("16 × single{beside}");
        bench.report.round(&name, round(&full));
        let half = sixteen(bench, system, &trail, Some(full.rate() / 2.0)).await?;
        let name = format!("16 × single at half that load{beside}");
        bench.report.round(&name, round(&half));
        p99.push(bench.report.outcome(half.quantile(0.99)));
    }
    let name = format!("acknowledgement p99 at half the largest load, 16 connections{beside}, ms");
    bench.report.figure(&name, p99, Target::AtMost(10.0, " ms"));
    Ok(())
}

async fn sixteen(
    bench: &Bench<'_>,
    system: &System,
    trail: &Trail,
    rate: Option<f64>,
) -> Result<Measured> {
    let watch = system.watch();
    bench.quiet(&watch).await?;
    let into = Into::One("default".to_owned());
    let requests = singles(&trail.writer.text, Ids::Server, &into, CONNECTIONS);
    let load = Load {
        address: system.address,
        requests,
        rate,
    };
    let before = trail.size()?;
    let measured = load::run(load, bench.config.seconds, &watch).await?;
    trail.check(before, &[&measured]).await?;
    Ok(measured)
}
