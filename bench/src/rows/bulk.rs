//! Appends of 1,000 entries, beside `COPY` of the same rows into a table with the same columns
//! and key.

use anyhow::{Context, Result};

use super::{Bench, round};
use crate::load::{self, Load, precise};
use crate::report::{Round, Target, progress};
use crate::system::System;
use crate::template::{Ids, Into, Template};

/// Entries in a request.
pub(super) const BATCH: u64 = 1000;

/// Connections that send such requests.
pub(super) const CONNECTIONS: u64 = 4;

/// Rows that are copied in one round.
const ROWS: u64 = 200_000;

/// A template for each connection.
pub(super) fn requests(token: &str, ids: Ids, partition: &str) -> Vec<Template> {
    let into = Into::One(partition.to_owned());
    (0..CONNECTIONS)
        .map(|lane| Template::bulk(token, ids, &into, lane, BATCH))
        .collect()
}

pub(super) async fn measure(bench: &mut Bench<'_>, system: &System) -> Result<()> {
    progress("appends of 1,000");
    let watch = system.watch();
    let ledger = system.database()?;
    let copy = ledger.yardstick()?;
    let rows = bench.scratch.join("rows.copy");
    let mut ratios = vec![];
    while bench.another(&ratios) {
        let trail = system.trail("default").await?;
        let mut rates = Vec::new();
        for (name, ids) in [
            ("4 × bulk of 1,000, ids by the service", Ids::Server),
            ("4 × bulk of 1,000, own ids v7", Ids::V7),
        ] {
            bench.quiet(&watch).await?;
            let before = trail.size()?;
            let requests = requests(&trail.writer.text, ids, "default");
            let load = Load {
                address: system.address,
                requests,
                rate: None,
            };
            let measured = load::run(load, bench.config.seconds, &watch).await?;
            trail.check(before, &[&measured]).await?;
            bench.report.round(name, round(&measured));
            rates.push(measured.rate());
        }
        if ratios.is_empty() {
            let query = format!(
                "select tenant, id, seq, received_at, generation, partition, salt, hash, event, parts, residue \
                 from ledger.entries where partition = 'default' order by seq desc limit {ROWS}"
            );
            ledger.copy_out(&query, &rows)?;
        }
        copy.run("drop table if exists copied")?;
        copy.run(
            "create table copied (tenant uuid not null, id uuid not null, seq int8 not null,
               received_at timestamptz not null, generation int4 not null, partition text not null,
               salt bytea, hash bytea not null, event text not null, parts text, residue text,
               primary key (tenant, partition, generation, seq))",
        )?;
        bench.quiet(&watch).await?;
        let before = watch.now()?;
        let seconds = copy.copy_in("copied", &rows)?;
        let spent = watch.now()? - before;
        let count: u64 = copy
            .run("select count(*) from copied")?
            .parse()
            .context("a count")?;
        let rate = precise(count) / seconds;
        bench.report.round(
            "COPY",
            Round {
                rate,
                entries: count,
                seconds,
                spent,
                p50: 0.0,
                p99: 0.0,
            },
        );
        ratios.push(bench.report.outcome(rates[0] / rate));
    }
    bench.report.figure(
        "bulk of 1,000 ÷ COPY of the same rows",
        ratios,
        Target::AtLeast(0.5),
    );
    Ok(())
}
