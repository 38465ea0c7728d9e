//! Single appends of 64 connections into one chain, beside pgbench with 64 clients: plain inserts
//! of the same bytes, and a chain that locks its head in each transaction.

use anyhow::{Context, Result};

use super::Bench;
use crate::database::{Protocol, Texts, Transactions, Yardsticks};
use crate::load::Measured;
use crate::report::{Round, Target, progress};
use crate::system::System;
use crate::template::Ids;

pub(super) async fn measure(bench: &mut Bench<'_>, system: &System) -> Result<()> {
    progress("single appends");
    let mut trail = system.trail("default").await?;
    let first = bench
        .single(
            "64 × single, ids by the service (first)",
            &trail,
            system,
            Ids::Server,
        )
        .await?;
    let folder = super::folder(&bench.scratch, "yardstick")?;
    let yardsticks = Yardsticks::prepare(&system.database()?, &folder, &texts(&first)?)?;
    let (mut server, mut own, mut locked, mut prepared) = (vec![], vec![], vec![], vec![]);
    while bench.another(&server) {
        trail = system.trail("default").await?;
        let plain = pgbench(bench, system, &yardsticks, Yardstick::Plain).await?;
        let by_service = bench
            .single(
                "64 × single, ids by the service",
                &trail,
                system,
                Ids::Server,
            )
            .await?;
        let by_poster = bench
            .single("64 × single, own ids v7", &trail, system, Ids::V7)
            .await?;
        let chained = pgbench(bench, system, &yardsticks, Yardstick::Locked).await?;
        let again = pgbench(bench, system, &yardsticks, Yardstick::Prepared).await?;
        server.push(bench.report.outcome(by_service.rate() / plain.rate));
        own.push(bench.report.outcome(by_poster.rate() / plain.rate));
        locked.push(bench.report.outcome(by_service.rate() / chained.rate));
        prepared.push(by_service.rate() / again.rate);
    }
    let report = &mut bench.report;
    report.figure(
        "single appends ÷ plain inserts, ids by the service",
        server,
        Target::AtLeast(2.0),
    );
    report.figure(
        "single appends ÷ plain inserts, own ids v7",
        own,
        Target::AtLeast(1.7),
    );
    report.figure(
        "single appends ÷ a chain that locks its head",
        locked,
        Target::AtLeast(50.0),
    );
    let ratio = crate::report::number(crate::report::median(&prepared));
    report.note(format!(
        "Plain inserts are pgbench's default, the simple protocol. Against prepared statements \
         single appends with ids by the service reach {ratio}."
    ));
    Ok(())
}

/// The stored texts of an entry that was just posted.
fn texts(measured: &Measured) -> Result<Texts> {
    let sample = measured
        .samples
        .first()
        .context("no sample of the first measurement")?;
    let recorder = chain::Recorder {
        kind: "service",
        id: "0197d5a0-0000-7000-8000-000000000000",
    };
    let entry = chain::Entry::parse(&sample.posted, recorder, uuid::Uuid::now_v7());
    let entry = entry.map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
    let parts = entry.parts().context("the entry has parts")?.to_owned();
    Ok(Texts {
        event: entry.event().to_owned(),
        parts,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Yardstick {
    Plain,
    Prepared,
    Locked,
}

async fn pgbench(
    bench: &mut Bench<'_>,
    system: &System,
    yardsticks: &Yardsticks,
    which: Yardstick,
) -> Result<Transactions> {
    let watch = system.watch();
    bench.quiet(&watch).await?;
    let (name, script, protocol) = match which {
        Yardstick::Plain => (
            "pgbench, plain inserts",
            &yardsticks.plain,
            Protocol::Simple,
        ),
        Yardstick::Prepared => (
            "pgbench, plain inserts, prepared",
            &yardsticks.plain,
            Protocol::Prepared,
        ),
        Yardstick::Locked => ("pgbench, head locked", &yardsticks.locked, Protocol::Simple),
    };
    let seconds = bench.config.seconds;
    let done = yardsticks
        .database
        .pgbench(script, protocol, seconds, &watch)?;
    let round = Round {
        rate: done.rate,
        entries: done.count,
        seconds: crate::load::precise(seconds),
        spent: done.spent,
        p50: 0.0,
        p99: 0.0,
    };
    bench.report.round(name, round);
    Ok(done)
}
