//! Single appends over 10,000 chains beside one chain.

use anyhow::{Context, Result};
use serde_json::json;
use tokio::task::JoinSet;

use super::{Bench, CONNECTIONS, round, singles};
use crate::check::Trail;
use crate::client::{Client, Token};
use crate::load::{self, Load, Measured};
use crate::report::{Target, progress};
use crate::system::System;
use crate::template::{Ids, Into, PARTITIONS, partition};

pub(super) async fn measure(bench: &mut Bench<'_>, system: &System) -> Result<()> {
    progress("10,000 chains");
    let trail = system.trail("default").await?;
    create(&trail.client, &trail.reader).await?;
    // The first write to a page after a checkpoint puts all of it into the WAL, and each chain has pages of its own.
    over(bench, system, &trail).await?;
    let mut ratios = vec![];
    while bench.another(&ratios) {
        let trail = system.trail("default").await?;
        let one = bench
            .single(
                "64 × single, ids by the service",
                &trail,
                system,
                Ids::Server,
            )
            .await?;
        let many = over(bench, system, &trail).await?;
        bench
            .report
            .round("64 × single over 10,000 chains", round(&many));
        ratios.push(bench.report.outcome(many.rate() / one.rate()));
    }
    bench
        .report
        .figure("10,000 chains ÷ one chain", ratios, Target::AtLeast(0.85));
    Ok(())
}

async fn over(bench: &Bench<'_>, system: &System, trail: &Trail) -> Result<Measured> {
    let watch = system.watch();
    bench.quiet(&watch).await?;
    let requests = singles(&trail.writer.text, Ids::Server, &Into::Many, CONNECTIONS);
    let load = Load {
        address: system.address,
        requests,
        rate: None,
    };
    load::run(load, bench.config.seconds, &watch).await
}

/// Creates the partitions, so many at a time.
async fn create(client: &Client, admin: &Token) -> Result<()> {
    let mut tasks = JoinSet::new();
    for lane in 0..32 {
        let (client, admin) = (client.clone(), admin.clone());
        tasks.spawn(async move {
            for number in (lane..PARTITIONS).step_by(32) {
                let body = json!({ "partition": partition(number) });
                client.post("/api/v1/partitions", &admin, &body).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.context("creating partitions")??;
    }
    Ok(())
}
