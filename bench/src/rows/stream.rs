//! From an entry's receipt to its delivery, at 1,000 entries a second: over many subscribers of many
//! tenants, and over some who all get everything. The time is that from `received_at`, which is before
//! the commit, so the commit is in it.

use anyhow::{Result, ensure};

use super::{Bench, round, singles};
use crate::follow::Followers;
use crate::load::{self, Load, Measured};
use crate::report::{Round, Target, progress};
use crate::system::System;
use crate::template::{Ids, Into, Template};

/// Entries a second of all tenants together.
const RATE: f64 = 1_000.0;
const TENANTS: usize = 100;
/// Of each of the tenants.
const SUBSCRIBERS: usize = 10;
/// Of one tenant, when all get everything.
const TOGETHER: usize = 50;
/// Of so many of those deliveries one has its time taken.
const SAMPLED: u64 = 8;

pub(super) async fn measure(bench: &mut Bench<'_>, system: &System) -> Result<()> {
    progress("live stream");
    let mut tenants = Vec::new();
    for number in 0..TENANTS {
        tenants.push(system.tenant(&format!("stream-{number:03}")).await?);
    }
    let client = system.client();
    let (mut many, mut together) = (vec![], vec![]);
    while bench.another(&many) {
        let into = Into::One("default".to_owned());
        let (mut readers, mut requests) = (Vec::new(), Vec::new());
        for (lane, tenant) in (0..).zip(&tenants) {
            let reader = client.login(Some(&tenant.code), &tenant.admin).await?;
            readers.extend(vec![reader.text; SUBSCRIBERS]);
            let writer = client.service_token(&tenant.api_key).await?;
            requests.push(Template::single(&writer.text, Ids::Server, &into, lane));
        }
        let followers = Followers::connect(system.address, readers, 1).await?;
        let what = "1,000 subscribers over 100 tenants";
        let p99 = delivered(bench, system, requests, followers, (what, SUBSCRIBERS)).await?;
        many.push(bench.report.outcome(p99));

        let trail = system.trail("default").await?;
        let readers = vec![trail.reader.text.clone(); TOGETHER];
        let requests = singles(&trail.writer.text, Ids::Server, &into, 16);
        let followers = Followers::connect(system.address, readers, SAMPLED).await?;
        let what = "50 subscribers that all get everything";
        let p99 = delivered(bench, system, requests, followers, (what, TOGETHER)).await?;
        together.push(bench.report.outcome(p99));
    }
    let name =
        "commit → delivered, p99, 1,000 subscribers over 100 tenants, 1,000 entries/s in all, ms";
    bench.report.figure(name, many, Target::AtMost(50.0, " ms"));
    let name = "commit → delivered, p99, 50 subscribers that all get 1,000 entries/s, ms";
    bench
        .report
        .figure(name, together, Target::AtMost(50.0, " ms"));
    Ok(())
}

/// Loads, and gives the p99 in milliseconds of what was delivered. `beside`: who reads, and how many
/// read each entry.
async fn delivered(
    bench: &mut Bench<'_>,
    system: &System,
    requests: Vec<Template>,
    followers: Followers,
    beside: (&str, usize),
) -> Result<f64> {
    let watch = system.watch();
    bench.quiet(&watch).await?;
    let load = Load {
        address: system.address,
        requests,
        rate: Some(RATE),
    };
    let posted = load::run(load, bench.config.seconds, &watch).await?;
    let (what, each) = beside;
    let delivered = followers.finish(posted.acknowledged * each as u64).await?;
    ensure!(
        delivered.left_out == 0,
        "{} were left out",
        delivered.left_out
    );
    let name = format!("single appends beside {what}, to the acknowledgement");
    bench.report.round(&name, round(&posted));
    let measured = Measured {
        latencies: delivered.latencies,
        ..Measured::default()
    };
    let p99 = measured.quantile(0.99);
    let delivery = Round {
        p50: measured.quantile(0.5),
        p99,
        ..round(&posted)
    };
    bench
        .report
        .round(&format!("the same, {what}, to the delivery"), delivery);
    Ok(p99)
}
