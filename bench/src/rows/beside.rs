//! Appends beside the embedded index and a live stream, on one `veritrail up`, against appends alone, on
//! another one that indexes nothing and streams to nobody. They are loaded in turn, and the first one
//! catches up with its index before the other one's turn.

use std::time::Duration;

use anyhow::{Result, ensure};
use search::VISIBLE;

use super::{Bench, CONNECTIONS, round, singles};
use crate::check::Trail;
use crate::follow::Followers;
use crate::load::{self, Load, precise};
use crate::report::{Target, median, number, progress};
use crate::system::System;
use crate::template::{Ids, Into};

/// Of so many deliveries one has its time taken.
const SAMPLED: u64 = 64;
/// For one look whether the index has caught up; tokens last longer.
const LOOK: Duration = Duration::from_mins(1);
const LOOKS: usize = 30;
/// Turns of load until a server's buffers were all used, at most.
const FILLINGS: usize = 60;

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    progress("appends beside indexing and a stream");
    let folder = super::folder(&bench.scratch, "beside")?;
    let with = System::start(&bench.programs, &folder.join("with")).await?;
    let measured = against(bench, &with, &folder).await;
    let stopped = with.stop().await;
    std::fs::remove_dir_all(&folder)?;
    measured.and(stopped)
}

async fn against(bench: &mut Bench<'_>, with: &System, folder: &std::path::Path) -> Result<()> {
    let without = folder.join("without");
    let without = System::start_with(&bench.programs, &without, &["--no-index"]).await?;
    let measured = compare(bench, with, &without).await;
    let stopped = without.stop().await;
    measured.and(stopped)
}

async fn compare(bench: &mut Bench<'_>, with: &System, without: &System) -> Result<()> {
    for system in [with, without] {
        system.database()?.wear_in()?;
        fill_buffers(bench, system).await?;
    }
    caught_up(with).await?;
    let (mut ratios, mut indexed, mut left_out) = (vec![], vec![], 0);
    while bench.another(&ratios) {
        let trail = without.trail("default").await?;
        let name = "64 × single, nothing indexed and nobody streamed to";
        let alone = bench.single(name, &trail, without, Ids::Server).await?;
        let beside = beside(bench, with).await?;
        caught_up(with).await?;
        indexed.push(beside.indexed);
        left_out += beside.left_out;
        ratios.push(bench.report.outcome(beside.rate / alone.rate()));
    }
    with.asked_its_index()?;
    let name = "appends beside indexing and a live stream ÷ without both, embedded";
    bench.report.figure(name, ratios, Target::AtLeast(0.8));
    bench.report.note(format!(
        "Beside the appends {} documents/s were indexed and found; the rest was waited for after each round. Of \
         its entries the chain's subscriber was told of {left_out} that it was too slow for them.",
        number(median(&indexed))
    ));
    Ok(())
}

/// Loads a system until its server has used all of its buffers. From then on each new page takes the place of one that has to
/// be written; a round in which only one of the two servers is there would compare that.
async fn fill_buffers(bench: &mut Bench<'_>, system: &System) -> Result<()> {
    let trail = system.trail("default").await?;
    let watch = system.watch();
    for _ in 0..FILLINGS {
        if system.database()?.exceeds_its_buffers()? {
            return Ok(());
        }
        let size = trail.size()?;
        let filled = load::run(load(&trail, system), bench.config.seconds, &watch).await?;
        trail.check(size, &[&filled]).await?;
    }
    anyhow::bail!("the server's buffers are not filled")
}

/// Appends to one chain, as many as it takes.
fn load(trail: &Trail, system: &System) -> Load {
    let into = Into::One("default".to_owned());
    Load {
        address: system.address,
        requests: singles(&trail.writer.text, Ids::Server, &into, CONNECTIONS),
        rate: None,
    }
}

struct Beside {
    rate: f64,
    /// Documents a second that were found while the appends went on.
    indexed: f64,
    left_out: u64,
}

/// Appends to a chain that is indexed and followed by one subscriber.
async fn beside(bench: &mut Bench<'_>, system: &System) -> Result<Beside> {
    let trail = system.trail("default").await?;
    let watch = system.watch();
    bench.quiet(&watch).await?;
    let load = load(&trail, system);
    let readers = vec![trail.reader.text.clone()];
    let followers = Followers::connect(system.address, readers, SAMPLED).await?;
    let (size, found) = (trail.size()?, found(&trail)?);
    let measured = load::run(load, bench.config.seconds, &watch).await?;
    let found = self::found(&trail)? - found;
    trail.check(size, &[&measured]).await?;
    let delivered = followers.finish(measured.acknowledged).await?;
    let name = "64 × single beside indexing and a subscriber of the chain";
    bench.report.round(name, round(&measured));
    // The load's tenth to warm up is in it.
    let seconds = measured.seconds * 1.1;
    Ok(Beside {
        rate: measured.rate(),
        indexed: precise(found) / seconds,
        left_out: delivered.left_out,
    })
}

/// Entries of the chain that searches find.
fn found(trail: &Trail) -> Result<u64> {
    let next = trail.database.run(&format!(
        "select coalesce(sum(next), 0)::int8 from ledger.cursors
          where follower = '{VISIBLE}' and partition = 'default'"
    ))?;
    Ok(next.parse()?)
}

/// Waits until everything is indexed.
async fn caught_up(system: &System) -> Result<()> {
    for _ in 0..LOOKS {
        let trail = system.trail("default").await?;
        let place = ("default", trail.size()? - 1);
        let found = trail.client.found(&trail.reader, place, "limit=1", LOOK);
        if found.await?.is_some() {
            let unindexed = trail
                .database
                .run("select count(*) from ledger.unindexed")?;
            ensure!(unindexed == "0", "{unindexed} entries were not indexed");
            return Ok(());
        }
    }
    anyhow::bail!("the index does not catch up")
}
