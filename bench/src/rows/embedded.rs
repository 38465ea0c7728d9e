//! Filter and full text over millions of entries in the embedded index, through the API of a `veritrail
//! up`, one question after the other. The entries are filled in while nothing is indexed, and indexed by
//! a second start.

use std::time::{Duration, Instant};

use ::search::VISIBLE;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{BYTES, Bench, LOOK, search};
use crate::asked::{Asked, Kind, Span};
use crate::check::Trail;
use crate::http::Connection;
use crate::load::{Measured, precise};
use crate::preload::{self, Content, PER_CHAIN};
use crate::report::{Round, Target, number, progress};
use crate::system::System;
use crate::template::Ids;

/// Slower than this many a second is an error.
const LEAST_RATE: u64 = 300;
const LIMIT: usize = 50;

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let count = bench.config.searched;
    progress(&format!("the embedded index over {count} entries"));
    bench.room(count * BYTES, "--searched")?;
    let folder = bench.scratch.join("embedded");
    let system = System::start_with(&bench.programs, &folder, &["--no-index"]).await?;
    let filled = fill(&system, count).await;
    system.stop().await?;
    let partitions = filled?;
    let system = System::start(&bench.programs, &folder).await?;
    let measured = over(bench, &system, &partitions).await;
    let stopped = system.stop().await;
    std::fs::remove_dir_all(&folder)?;
    measured.and(stopped)
}

async fn fill(system: &System, count: u64) -> Result<Vec<String>> {
    let trail = system.trail("default").await?;
    let database = system.database()?;
    preload::fill(
        &trail,
        &database,
        (count, PER_CHAIN),
        Ids::V7,
        Content::varied(),
    )
    .await
}

async fn over(bench: &mut Bench<'_>, system: &System, partitions: &[String]) -> Result<()> {
    let count = bench.config.searched;
    let seconds = indexed(system, partitions, count).await?;
    let rate = number(precise(count) / seconds);
    progress(&format!("  indexed at {rate}/s"));
    let first = system.trail(&partitions[0]).await?;
    let last = system.trail(&partitions[partitions.len() - 1]).await?;
    let span = Span {
        from: search::span(&first)?.from,
        to: search::span(&last)?.to,
    };
    let (mut p99, mut asked) = (vec![], 0);
    while bench.another(&p99) {
        let trail = system.trail("default").await?;
        let round = ask(bench, system, &trail, (asked, span)).await?;
        asked += round.entries;
        let name = "filter and full text, embedded index, 50 entries a page";
        bench.report.round(name, round);
        p99.push(bench.report.outcome(round.p99));
    }
    system.asked_its_index()?;
    let name = format!("filter and full text over {count} entries, embedded index, p99, ms");
    bench
        .report
        .figure(&name, p99, Target::AtMost(100.0, " ms"));
    bench.report.note(format!(
        "The embedded index was built of {count} entries in {} chains at {rate} documents/s.",
        partitions.len()
    ));
    Ok(())
}

/// Seconds until all partitions are indexed.
async fn indexed(system: &System, partitions: &[String], count: u64) -> Result<f64> {
    let start = Instant::now();
    let deadline = start + Duration::from_mins(2) + Duration::from_secs(count / LEAST_RATE);
    for partition in partitions {
        loop {
            // Tokens do not last for all of it.
            let trail = system.trail(partition).await?;
            let place = (partition.as_str(), trail.size()? - 1);
            let found = trail.client.found(&trail.reader, place, "limit=1", LOOK);
            if found.await?.is_some() {
                break;
            }
            let done = trail.database.run(&format!(
                "select coalesce(sum(next), 0)::int8 from ledger.cursors where follower = '{VISIBLE}'"
            ))?;
            progress(&format!("  {done} of {count} indexed"));
            ensure!(Instant::now() < deadline, "indexing takes too long");
        }
    }
    let unindexed = system
        .database()?
        .run("select count(*) from ledger.unindexed")?;
    ensure!(unindexed == "0", "{unindexed} entries were not indexed");
    Ok(start.elapsed().as_secs_f64())
}

/// Asks questions that were not asked before, until the time is over.
async fn ask(
    bench: &Bench<'_>,
    system: &System,
    trail: &Trail,
    (first, span): (u64, Span),
) -> Result<Round> {
    let watch = system.watch();
    let mut connection = Connection::open(system.address).await?;
    bench.quiet(&watch).await?;
    let (start, before) = (Instant::now(), watch.now()?);
    let until = start + Duration::from_secs(bench.config.seconds);
    let (mut latencies, mut busy) = (vec![], Duration::ZERO);
    let kinds = Kind::FILTER_AND_TEXT;
    for nth in first.. {
        if Instant::now() >= until {
            break;
        }
        let kind = kinds[usize::try_from(nth)? % kinds.len()];
        let asked = Asked::new(kind, nth, span)?;
        let took = one(&mut connection, trail, &asked).await?;
        busy += took;
        latencies.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }
    let (seconds, spent) = (start.elapsed().as_secs_f64(), watch.now()? - before);
    latencies.sort_unstable();
    let entries = latencies.len() as u64;
    let measured = Measured {
        latencies,
        ..Measured::default()
    };
    Ok(Round {
        rate: precise(entries) / busy.as_secs_f64(),
        entries,
        seconds,
        spent,
        p50: measured.quantile(0.5),
        p99: measured.quantile(0.99),
    })
}

/// The time to the whole answer, which is checked.
async fn one(connection: &mut Connection, trail: &Trail, asked: &Asked) -> Result<Duration> {
    let (query, token) = (&asked.query, &trail.reader.text);
    let request = format!(
        "GET /api/v1/logs?{query}&limit={LIMIT} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let start = Instant::now();
    let answer = connection.send(request.as_bytes()).await?;
    let took = start.elapsed();
    let text = String::from_utf8_lossy(answer.body);
    ensure!(answer.status == 200, "{query}: {text}");
    let page: Value = serde_json::from_str(&text)?;
    let entries = page["entries"].as_array().context("no entries")?;
    asked.check(entries)?;
    let whole = entries.len() == LIMIT || page["complete"] == true;
    ensure!(whole, "{query}: a page that is not full, nor the last");
    Ok(took)
}
