//! Bytes on disk, all indexes included, for each byte posted.

use anyhow::Result;

use super::{Bench, bulk, singles};
use crate::database::Database;
use crate::load::{self, Load, precise};
use crate::report::{Target, progress};
use crate::system::System;
use crate::template::{Ids, Into};

pub(super) async fn measure(bench: &mut Bench<'_>, system: &System) -> Result<()> {
    progress("bytes on disk");
    let watch = system.watch();
    let trail = system.trail("default").await?;
    let database = system.database()?;
    let into = Into::One("default".to_owned());
    let mut bodies = singles(&trail.writer.text, Ids::V7, &into, 1);
    let entry = bodies.remove(0);
    bench
        .report
        .condition(format!("entries of {} bytes as posted", entry.body().len()));
    // An empty table has pages already; they would count for little, and they do not count here.
    let before = ledger_bytes(&database)?;
    let mut posted = 0;
    for requests in [
        singles(&trail.writer.text, Ids::V7, &into, super::CONNECTIONS),
        bulk::requests(&trail.writer.text, Ids::V7, "default"),
    ] {
        let load = Load {
            address: system.address,
            requests,
            rate: None,
        };
        posted += load::run(load, bench.config.seconds, &watch)
            .await?
            .posted_bytes;
    }
    let stored = ledger_bytes(&database)? - before;
    let ratio = precise(stored) / precise(posted);
    bench.report.begin();
    let outcome = bench.report.outcome(ratio);
    bench.report.figure(
        "bytes on disk ÷ bytes posted",
        vec![outcome],
        Target::AtMost(2.0, ""),
    );
    Ok(())
}

/// Bytes of all tables of the ledger with their indexes.
fn ledger_bytes(database: &Database) -> Result<u64> {
    let bytes = database.run(
        "select sum(pg_total_relation_size(c.oid))::int8 from pg_class c
           join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = 'ledger' and c.relkind = 'r'",
    )?;
    Ok(bytes.parse()?)
}
