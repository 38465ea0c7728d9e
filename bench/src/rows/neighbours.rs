//! One tenant at full bulk load, and what another tenant's single appends notice of it.

use std::thread;

use anyhow::{Result, anyhow};

use super::{Bench, bulk, round, singles};
use crate::client::Token;
use crate::load::{self, Load, Measured};
use crate::report::{Target, progress};
use crate::system::System;
use crate::template::{Ids, Into};

/// Requests a second of the tenant that is watched: one that is not itself a burden.
const RATE: f64 = 200.0;

/// More than wait at once even when each waits for a whole batch of the other tenant.
const CONNECTIONS: u64 = 32;

/// `beside`: what goes on at the same time, for the names.
pub(super) async fn measure(bench: &mut Bench<'_>, system: &System, beside: &str) -> Result<()> {
    progress(&format!("a tenant beside another{beside}"));
    let watch = system.watch();
    let neighbour = system.tenant("neighbour").await?;
    let mut ratios = vec![];
    while bench.another(&ratios) {
        let trail = system.trail("default").await?;
        let quiet_token = system.client().service_token(&neighbour.api_key).await?;
        bench.quiet(&watch).await?;
        let alone = load::run(few(system, &quiet_token), bench.config.seconds, &watch).await?;
        let name = format!("32 × single, 200/s in all, alone{beside}");
        bench.report.round(&name, round(&alone));
        let (quiet, loud) = together(bench, system, &trail.writer, &quiet_token).await?;
        let name = format!("32 × single, 200/s in all, with a tenant at full bulk load{beside}");
        bench.report.round(&name, round(&quiet));
        let name = format!("4 × bulk of 1,000, with a quiet tenant{beside}");
        bench.report.round(&name, round(&loud));
        let ratio = quiet.quantile(0.99) / alone.quantile(0.99);
        ratios.push(bench.report.outcome(ratio));
    }
    let name = format!("p99 of a tenant with one at full bulk load ÷ alone{beside}");
    bench.report.figure(&name, ratios, Target::AtMost(3.0, ""));
    Ok(())
}

fn few(system: &System, token: &Token) -> Load {
    let into = Into::One("default".to_owned());
    let requests = singles(&token.text, Ids::Server, &into, CONNECTIONS);
    Load {
        address: system.address,
        requests,
        rate: Some(RATE),
    }
}

/// Both loads at once, each in its own thread, so that sending large bodies does not count as
/// waiting for small answers.
async fn together(
    bench: &Bench<'_>,
    system: &System,
    loud: &Token,
    quiet: &Token,
) -> Result<(Measured, Measured)> {
    let seconds = bench.config.seconds;
    let requests = bulk::requests(&loud.text, Ids::Server, "default");
    let load = Load {
        address: system.address,
        requests,
        rate: None,
    };
    let watch = system.watch();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // Longer at the end: the other one is never alone.
        runtime.block_on(load::run(load, seconds + 1, &watch))
    });
    let beside = load::run(few(system, quiet), seconds, &system.watch()).await?;
    let loud = thread
        .join()
        .map_err(|_| anyhow!("the thread of the load panicked"))??;
    Ok((beside, loud))
}
