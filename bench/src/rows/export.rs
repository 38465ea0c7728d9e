//! An export job from asking for it to the finished CSV file, beside psql's `\copy` of the same
//! columns of the same rows.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use tokio::time::{interval, sleep};

use super::{Bench, bulk};
use crate::check::Trail;
use crate::cpu::Watch;
use crate::load::{self, Load, precise};
use crate::report::{Outcome, Round, Target, progress};
use crate::system::System;
use crate::template::Ids;

const PARTITION: &str = "exported";
/// Between two looks at a job.
const LOOK: Duration = Duration::from_millis(20);
/// What the load before left behind is given back meanwhile.
const SETTLE: Duration = Duration::from_secs(5);

/// The columns of the CSV form, as somebody would write them with the database alone.
const COLUMNS: &str = "'demo' as tenant, e.partition, e.generation, e.seq, e.received_at, j.event->>'occurred_at', e.id,
  j.event->>'action', j.event->>'action_version', j.event->>'activity', j.event->>'severity',
  j.event->'outcome'->>'status', j.event->'outcome'->>'code', j.parts->'outcome'->>'reason',
  j.event->'actor'->>'type', j.event->'actor'->>'id', j.parts->'actor'->>'name', j.parts->'actor'->>'email',
  j.parts->'actor'->'metadata', j.event->'actor'->'on_behalf_of', j.event->>'recorded_by',
  j.event->'targets'->0->>'type', j.event->'targets'->0->>'id', j.parts->'targets/0'->>'name', j.event->'targets',
  j.parts->'context'->>'ip', j.parts->'context'->>'user_agent', j.parts->'context'->>'session_id',
  j.parts->'context'->>'request_id', j.parts->'context'->>'trace_id', j.parts->'context'->>'span_id',
  j.parts->'context'->>'location', j.event->>'correlation_id', j.event->>'causation_id', j.parts->>'description',
  j.parts->'changes', j.event->'labels', j.parts->'metadata', j.event->'attachments', e.residue,
  encode(e.hash, 'hex'), encode(lag(e.hash) over (order by e.seq), 'hex')";

pub(super) async fn measure(bench: &mut Bench<'_>, system: &System) -> Result<()> {
    progress("exports");
    let watch = system.watch();
    let trail = system.trail(PARTITION).await?;
    let partition = json!({"partition": PARTITION});
    trail
        .client
        .post("/api/v1/partitions", &trail.reader, &partition)
        .await?;
    while trail.size()? < bench.config.exported {
        let requests = bulk::requests(&trail.writer.text, Ids::Server, PARTITION);
        let load = Load {
            address: system.address,
            requests,
            rate: None,
        };
        load::run(load, 5, &watch).await?;
    }
    let entries = trail.size()?;
    let file = bench.scratch.join("copied.csv");
    let copy = format!(
        "\\copy (select {COLUMNS} from ledger.entries e cross join lateral (select e.event::jsonb as event, \
         e.parts::jsonb as parts offset 0) j where e.partition = '{PARTITION}' order by e.seq) to '{}' with (format csv, header)",
        file.display()
    )
    .replace('\n', " ");
    let mut ratios = vec![];
    while bench.another(&ratios) {
        // Tokens do not last for all rounds.
        let trail = system.trail(PARTITION).await?;
        let exported = export(bench, &trail, &watch, entries).await?;
        bench.quiet(&watch).await?;
        let before = watch.now()?;
        let start = Instant::now();
        system.database()?.run(&copy)?;
        let copied = start.elapsed().as_secs_f64();
        let spent = watch.now()? - before;
        bench
            .report
            .round("psql \\copy of the columns", timed(entries, copied, spent));
        std::fs::remove_file(&file)?;
        ratios.push(bench.report.outcome(copied / exported));
    }
    figures(bench, entries, ratios);
    Ok(())
}

fn figures(bench: &mut Bench<'_>, entries: u64, ratios: Vec<Outcome>) {
    let name = "export to a finished CSV file ÷ psql \\copy of the same columns, rows/s";
    bench.report.figure(name, ratios, Target::AtLeast(0.8));
    bench.report.note(format!(
        "Exports read, verified and wrote {entries} entries; \\copy took them as they are stored."
    ));
}

/// Seconds from asking for a job until its file is there.
async fn export(bench: &mut Bench<'_>, trail: &Trail, watch: &Watch, entries: u64) -> Result<f64> {
    bench.quiet(watch).await?;
    sleep(SETTLE).await;
    let before = watch.now()?;
    let start = Instant::now();
    let asked = json!({"format": "csv", "partitions": [PARTITION]});
    let mut job = trail
        .client
        .post("/api/v1/exports", &trail.reader, &asked)
        .await?;
    let path = format!(
        "/api/v1/exports/{}",
        job["id"].as_str().context("a job's id")?
    );
    let mut looks = interval(LOOK);
    while matches!(job["state"].as_str(), Some("queued" | "running")) {
        looks.tick().await;
        job = trail.client.get(&path, &trail.reader).await?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let spent = watch.now()? - before;
    if job["state"] != "finished" {
        bail!("the export did not finish: {job}");
    }
    ensure!(job["result"]["rows"] == entries, "not all entries: {job}");
    trail.client.delete(&path, &trail.reader).await?;
    bench
        .report
        .round("export job, CSV", timed(entries, seconds, spent));
    Ok(seconds)
}

fn timed(entries: u64, seconds: f64, spent: crate::cpu::Spent) -> Round {
    Round {
        rate: precise(entries) / seconds,
        entries,
        seconds,
        spent,
        p50: 0.0,
        p99: 0.0,
    }
}
