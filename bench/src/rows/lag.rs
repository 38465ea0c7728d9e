//! From an append until a search finds the entry by its words, at 1,000 entries a second over some
//! partitions of a `veritrail up`. A search never misses what the ledger has, so each sample waits for
//! the index (`wait_for`) and then asks it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::{Bench, round};
use crate::check::Trail;
use crate::client::{Client, Token};
use crate::load::{self, Load, Measured};
use crate::report::{Round, Target, progress};
use crate::system::System;
use crate::template::{Ids, Into, Template};

/// Entries a second, the samples among them.
const RATE: f64 = 1_000.0;
const PARTITIONS: u64 = 8;
const CONNECTIONS: u64 = 16;
/// From one sample to the next.
const PACE: Duration = Duration::from_millis(100);
/// An entry that is not found by then is an error.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    progress("from an append until it is found");
    let folder = bench.scratch.join("lag");
    let system = System::start(&bench.programs, &folder).await?;
    let measured = rounds(bench, &system).await;
    let stopped = system.stop().await;
    std::fs::remove_dir_all(&folder)?;
    measured.and(stopped)
}

fn partition(number: u64) -> String {
    format!("lag-{number}")
}

async fn rounds(bench: &mut Bench<'_>, system: &System) -> Result<()> {
    let trail = system.trail("default").await?;
    for number in 0..PARTITIONS {
        let body = json!({"partition": partition(number)});
        trail
            .client
            .post("/api/v1/partitions", &trail.reader, &body)
            .await?;
    }
    let mut p99 = vec![];
    while bench.another(&p99) {
        let trail = system.trail("default").await?;
        let found = one(bench, system, &trail).await?;
        p99.push(bench.report.outcome(found));
    }
    system.asked_its_index()?;
    let name = "append → found by a search, p99, 1,000 entries/s over 8 partitions, s";
    bench.report.figure(name, p99, Target::AtMost(2.0, " s"));
    Ok(())
}

/// The p99 in seconds.
async fn one(bench: &mut Bench<'_>, system: &System, trail: &Trail) -> Result<f64> {
    let watch = system.watch();
    bench.quiet(&watch).await?;
    let requests = (0..CONNECTIONS).map(|lane| {
        let into = Into::One(partition(lane % PARTITIONS));
        Template::single(&trail.writer.text, Ids::Server, &into, lane)
    });
    let load = Load {
        address: system.address,
        requests: requests.collect(),
        rate: Some(RATE - 1.0 / PACE.as_secs_f64()),
    };
    let before = size(trail)?;
    let seconds = bench.config.seconds;
    let (posted, samples) = tokio::join!(
        load::run(load, seconds, &watch),
        samples(trail, Duration::from_secs(seconds)),
    );
    let (posted, latencies) = (posted?, samples?);
    let there = size(trail)? - before;
    let acknowledged = posted.acknowledged + latencies.len() as u64;
    ensure!(
        there == acknowledged,
        "{acknowledged} acknowledged, {there} there"
    );
    bench
        .report
        .round("single appends, beside searches for some", round(&posted));
    let found = Measured {
        latencies,
        ..Measured::default()
    };
    let p99 = found.quantile(0.99);
    let line = Round {
        p50: found.quantile(0.5),
        p99,
        ..round(&posted)
    };
    bench
        .report
        .round("the same, until a search finds them", line);
    Ok(p99 / 1e3)
}

/// Entries of all the partitions.
fn size(trail: &Trail) -> Result<u64> {
    let size = trail.database.run(
        "select coalesce(sum(size), 0)::int8 from ledger.chains where partition like 'lag-%'",
    )?;
    Ok(size.parse()?)
}

/// Appends an entry at each tick and looks for it. Microseconds, sorted.
async fn samples(trail: &Trail, length: Duration) -> Result<Vec<u32>> {
    let (until, mut ticks) = (Instant::now() + length, interval(PACE));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut running = JoinSet::new();
    let mut number = 0;
    while Instant::now() < until {
        ticks.tick().await;
        let who = (trail.writer.clone(), trail.reader.clone());
        running.spawn(sample(
            trail.client.clone(),
            who,
            partition(number % PARTITIONS),
        ));
        number += 1;
    }
    let mut latencies = Vec::new();
    while let Some(found) = running.join_next().await {
        let took = found.context("a sample's task ended early")??;
        latencies.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }
    latencies.sort_unstable();
    Ok(latencies)
}

/// From sending one entry until the search that finds it has answered.
async fn sample(
    client: Client,
    (writer, reader): (Token, Token),
    partition: String,
) -> Result<Duration> {
    let word = uuid::Uuid::new_v4().simple().to_string();
    let body = json!({
        "partition": partition, "action": "invoice.approved", "actor": {"type": "user", "id": "u-4711"},
        "targets": [{"type": "invoice", "id": format!("inv-{word}")}],
    });
    let start = Instant::now();
    let receipt = client.post("/api/v1/logs", &writer, &body).await?;
    let seq = receipt["seq"].as_u64().context("a receipt's seq")?;
    let place = (partition.as_str(), seq);
    let query = format!("q={word}&limit=2");
    let entries = client.found(&reader, place, &query, PATIENCE).await?;
    let took = start.elapsed();
    let entries = entries.with_context(|| format!("entry {seq} of {partition} is not indexed"))?;
    let seqs: Vec<_> = entries.iter().map(|entry| entry["seq"].as_u64()).collect();
    ensure!(seqs == [Some(seq)], "{word} is in {seqs:?}, not in {seq}");
    Ok(took)
}
