//! More chains in trouble than the line of a worker holds.

use std::time::Duration;

use ledger::Tenant;

use crate::faults::Faults;
use crate::gauges::Gauges;
use crate::world::{DEFAULT, Index, Running, World, tenant};

/// More than wait in the line and before it.
const CHAINS: usize = 80;

async fn many_chains(world: &World, tenant: &Tenant) {
    for number in 0..CHAINS {
        world.append(tenant, &format!("p{number}"), 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_fail_leave_room_for_one_that_does_not() {
    let world = World::new(Index::Embedded).await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    many_chains(&world, &acme).await;
    // The last one that a sweep finds.
    assert!(acme.id < globex.id);
    world.append(&globex, DEFAULT, 5).await;
    let faults = Faults::before(&world.search);
    faults.fail_for(acme.id);
    let worker = Running::start(world.narrow_worker(faults));
    world.until_visible(&globex, DEFAULT, 5).await;
    world.append(&globex, DEFAULT, 5).await;
    world.until_visible(&globex, DEFAULT, 10).await;
    worker.stop().await;
    world.state().catch_up().await.unwrap();
    world.verify(&[&acme, &globex]).await;
    world.end(&[&acme, &globex]).await;
}

/// On one thread, whose gauges are the test's own.
#[tokio::test]
async fn the_lag_is_told_while_nothing_goes_on() {
    let gauges = Gauges::default();
    let _recording = metrics::set_default_local_recorder(&gauges);
    let world = World::new(Index::Embedded).await;
    let acme = tenant("acme");
    many_chains(&world, &acme).await;
    let faults = Faults::before(&world.search);
    faults.stall_writes_after(0);
    let worker = Running::start(world.narrow_worker(faults));
    let mut behind = CHAINS;
    for partition in ["more", "again"] {
        until_told(&gauges, behind).await;
        world.append(&acme, partition, 1).await;
        behind += 1;
    }
    until_told(&gauges, behind).await;
    worker.kill().await;
    world.end(&[&acme]).await;
}

async fn until_told(gauges: &Gauges, chains: usize) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let told = async {
        while gauges.get("index_behind_chains").to_string() != chains.to_string() {
            tick.tick().await;
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(30), told).await;
    told.unwrap_or_else(|_| panic!("{chains} are never told"));
}
