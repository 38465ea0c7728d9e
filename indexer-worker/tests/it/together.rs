//! Two workers on the same chains, as two processes would be.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use indexer_worker::WRITTEN;

use crate::faults::Faults;
use crate::world::{BULK, DEFAULT, Index, Running, World, tenant};

async fn two_workers(index: Index) {
    let world = World::new(index).await;
    let tenants = [tenant("acme"), tenant("globex")];
    let names = [DEFAULT, "a", "b"];
    for tenant in &tenants {
        for name in names {
            world.append(tenant, name, 60).await;
        }
    }
    let all = 2 * 3 * 60;
    let faults = [
        Faults::before(&world.search),
        Faults::before(&world.another_search().await),
    ];
    let workers = faults
        .each_ref()
        .map(|faults| Running::start(world.worker(Arc::clone(faults) as _)));
    for tenant in &tenants {
        for name in names {
            world.until_visible(tenant, name, 60).await;
        }
    }
    for worker in workers {
        worker.stop().await;
    }
    world.verify(&[&tenants[0], &tenants[1]]).await;
    // Harmless when both do it, and mostly only one does.
    let written = faults
        .each_ref()
        .map(|faults| faults.written.load(Ordering::SeqCst));
    let written = written[0] + written[1];
    assert!(written >= all && written < all * 3 / 2, "{written}");
    world.end(&[&tenants[0], &tenants[1]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_embedded() {
    two_workers(Index::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_opensearch() {
    two_workers(Index::OpenSearch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_killed_is_taken_over() {
    let world = World::new(Index::Embedded).await;
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, 300).await;
    let first = Running::start(world.state());
    world.until_visible(&acme, DEFAULT, 1).await;
    first.kill().await;
    let second = Running::start(world.state());
    world.until_visible(&acme, DEFAULT, 300).await;
    second.stop().await;
    world.verify(&[&acme]).await;
    world.end(&[&acme]).await;
}

/// A turn is over before the chain is: what it wrote is on record for whoever has the next one.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_one_goes_on_where_a_turn_ended() {
    let world = World::new(Index::Embedded).await;
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, 60).await;
    let faults = Faults::before(&world.search);
    let turn = 16 * BULK as usize;
    faults.stall_writes_after(turn);
    let first = world.worker(Arc::clone(&faults) as _);
    tokio::select! {
        ended = first.catch_up() => panic!("{ended:?}"),
        () = faults.until_stopped() => {}
    }
    let cursors = world.followed.cursors(WRITTEN, acme.id).await.unwrap();
    assert_eq!(cursors[0].next, turn as u64);
    world.end_claims().await;
    let second = Faults::before(&world.search);
    let state = world.worker(Arc::clone(&second) as _);
    state.catch_up().await.unwrap();
    assert_eq!(second.written.load(Ordering::SeqCst), 60 - turn);
    world.verify(&[&acme]).await;
    world.end(&[&acme]).await;
}
