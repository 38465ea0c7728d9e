//! Appends with many entries in the tables beside appends to empty ones, on two running systems
//! that are loaded in turn.

use anyhow::{Context, Result, ensure};

use super::Bench;
use crate::check::Trail;
use crate::config::Row;
use crate::load::precise;
use crate::preload::{self, Content, PER_CHAIN};
use crate::report::{Target, progress};
use crate::system::System;
use crate::template::Ids;

/// Bytes on disk for each entry, generously: rows, keys, and the WAL of the filling.
const BYTES: u64 = 1800;

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let mut kinds = vec![];
    if bench.config.wants(Row::SizeV7) {
        kinds.push((Ids::V7, "v7", 0.9));
    }
    if bench.config.wants(Row::SizeV4) {
        kinds.push((Ids::V4, "v4", 0.6));
    }
    if kinds.is_empty() {
        return Ok(());
    }
    bench.room(bench.config.entries * BYTES, "--entries")?;
    let folder = bench.scratch.join("empty");
    let empty = System::start_with(&bench.programs, &folder, &["--no-index"]).await?;
    // The full one's is gone through by filling it.
    let mut measured = empty.database().and_then(|server| server.wear_in());
    for (ids, name, target) in kinds {
        if measured.is_ok() {
            measured = beside(bench, &empty, ids, name, target).await;
        }
    }
    let stopped = empty.stop().await;
    std::fs::remove_dir_all(&folder)?;
    measured.and(stopped)
}

async fn beside(
    bench: &mut Bench<'_>,
    empty: &System,
    ids: Ids,
    name: &str,
    target: f64,
) -> Result<()> {
    let folder = bench.scratch.join(format!("full-{name}"));
    let full = System::start_with(&bench.programs, &folder, &["--no-index"]).await?;
    let measured = compare(bench, empty, &full, ids, name, target).await;
    let stopped = full.stop().await;
    std::fs::remove_dir_all(&folder)?;
    measured.and(stopped)
}

async fn compare(
    bench: &mut Bench<'_>,
    empty: &System,
    full: &System,
    ids: Ids,
    name: &str,
    target: f64,
) -> Result<()> {
    let count = bench.config.entries;
    progress(&format!("{count} entries with ids {name}"));
    let trail = full.trail("default").await?;
    let start = std::time::Instant::now();
    let partitions = preload::fill(
        &trail,
        &full.database()?,
        (count, PER_CHAIN),
        ids,
        Content::alike(),
    )
    .await?;
    let seconds = start.elapsed().as_secs_f64();
    progress(&format!(
        "  filled at {}/s",
        crate::report::number(precise(count) / seconds)
    ));
    // Tokens of before may have expired meanwhile.
    let trail = full.trail("default").await?;
    genuine(&trail, partitions.last().context("one partition at least")?).await?;
    let mut ratios = vec![];
    while bench.another(&ratios) {
        let trail = empty.trail("default").await?;
        let load = format!("64 × single, own ids {name}, empty tables");
        let beside = bench.single(&load, &trail, empty, ids).await?;
        let trail = full.trail("default").await?;
        let load = format!("64 × single, own ids {name}, {count} entries");
        let loaded = bench.single(&load, &trail, full, ids).await?;
        ratios.push(bench.report.outcome(loaded.rate() / beside.rate()));
    }
    let measure = format!("appends with {count} entries there ÷ empty, own ids {name}");
    bench
        .report
        .figure(&measure, ratios, Target::AtLeast(target));
    Ok(())
}

/// The entries that were filled in are served, and verify from the first one on.
async fn genuine(trail: &Trail, partition: &str) -> Result<()> {
    let lines = trail
        .client
        .evidence(partition, 0, 1000, &trail.reader)
        .await?;
    let chain = chain::Chain {
        partition: partition.to_owned(),
        ..trail.chain.clone()
    };
    let mut verifier = chain::verify::Verifier::new(chain);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        verifier.line(line).context("a preloaded entry")?;
    }
    let verified = verifier.head().map_or(0, |head| head.size);
    ensure!(verified > 0, "no preloaded entry is served");
    Ok(())
}
