//! The time to the acknowledgement with 16 connections at half the largest load. Requests are
//! due at fixed times, and the time counts from then, so a stall counts for all that it delays.

use anyhow::Result;

use super::{Bench, round, singles};
use crate::load::{self, Load};
use crate::report::{Target, progress};
use crate::system::System;
use crate::template::{Ids, Into};

const CONNECTIONS: u64 = 16;

pub(super) async fn measure(bench: &mut Bench<'_>, system: &System) -> Result<()> {
    progress("latency at half the largest load");
    let watch = system.watch();
    let mut p99 = vec![];
    while bench.another(&p99) {
        let trail = system.trail("default").await?;
        let full = bench
            .single(
                "64 × single, ids by the service",
                &trail,
                system,
                Ids::Server,
            )
            .await?;
        bench.quiet(&watch).await?;
        let into = Into::One("default".to_owned());
        let requests = singles(&trail.writer.text, Ids::Server, &into, CONNECTIONS);
        let load = Load {
            address: system.address,
            requests,
            rate: Some(full.rate() / 2.0),
        };
        let before = trail.size()?;
        let half = load::run(load, bench.config.seconds, &watch).await?;
        trail.check(before, &[&half]).await?;
        bench
            .report
            .round("16 × single at half the largest load", round(&half));
        p99.push(bench.report.outcome(half.quantile(0.99)));
    }
    let name = "acknowledgement p99 at half the largest load, 16 connections, ms";
    bench.report.figure(name, p99, Target::AtMost(10.0, " ms"));
    Ok(())
}
