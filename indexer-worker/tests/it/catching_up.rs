//! From the ledger into the index, whatever comes in between.

use std::sync::Arc;

use crate::faults::Faults;
use crate::world::{DEFAULT, Index, Running, World, tenant};

async fn everything_is_found(index: Index) {
    let world = World::new(index).await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    world.append(&acme, DEFAULT, 10).await;
    world.append(&acme, "billing", 1).await;
    world.append(&globex, DEFAULT, 4).await;
    let state = world.state();
    state.catch_up().await.unwrap();
    world.verify(&[&acme, &globex]).await;
    // Nothing new, something new, a new partition.
    state.catch_up().await.unwrap();
    world.append(&acme, DEFAULT, 7).await;
    world.append(&acme, "late", 2).await;
    state.catch_up().await.unwrap();
    world.verify(&[&acme, &globex]).await;
    world.end(&[&acme, &globex]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_found_embedded() {
    everything_is_found(Index::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_found_opensearch() {
    everything_is_found(Index::OpenSearch).await;
}

/// Nobody told of them: the first sweep of a worker finds them.
async fn lost_hints_are_swept(index: Index) {
    let world = World::new(index).await;
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, 20).await;
    world.append(&acme, "billing", 2).await;
    let worker = Running::start(world.state());
    world.until_visible(&acme, DEFAULT, 20).await;
    world.until_visible(&acme, "billing", 2).await;
    worker.stop().await;
    world.verify(&[&acme]).await;
    world.end(&[&acme]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_hints_are_swept_embedded() {
    lost_hints_are_swept(Index::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_hints_are_swept_opensearch() {
    lost_hints_are_swept(Index::OpenSearch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_away_is_caught_up_with() {
    let world = World::new(Index::OpenSearch).await;
    let acme = tenant("acme");
    let faults = Faults::before(&world.search);
    faults.be_away(true);
    world.append(&acme, DEFAULT, 20).await;
    let worker = Running::start(world.worker(Arc::clone(&faults) as _));
    faults.until_failed(3).await;
    world.append(&acme, DEFAULT, 5).await;
    faults.be_away(false);
    world.until_visible(&acme, DEFAULT, 25).await;
    worker.stop().await;
    world.verify(&[&acme]).await;
    assert_eq!(world.followed.unindexed(acme.id, 10).await.unwrap(), []);
    world.end(&[&acme]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_indexed_is_noted_and_passed_over() {
    let world = World::new(Index::Embedded).await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    world.append(&acme, DEFAULT, 20).await;
    world.append(&globex, DEFAULT, 3).await;
    world
        .tamper(&format!(
            "delete from ledger.entries where tenant = '{0}' and seq in (4, 5, 19); \
             update ledger.entries set event = 'no JSON' where tenant = '{0}' and seq = 7; \
             update ledger.entries set parts = '{{\"changes\":3}}' where tenant = '{0}' and seq = 9",
            acme.id
        ))
        .await;
    let faults = Faults::before(&world.search);
    faults.refuse([0, 12]);
    let state = world.worker(Arc::clone(&faults) as _);
    state.catch_up().await.unwrap();
    let notes = world.followed.unindexed(acme.id, 100).await.unwrap();
    let notes: Vec<_> = notes.iter().map(|n| (n.seq, n.reason.as_str())).collect();
    assert_eq!(
        notes,
        [
            (0, "it does not please"),
            (4, "entries 4 to 5 are not there"),
            (7, "the stored event cannot be read"),
            (9, "the stored parts cannot be read"),
            (12, "it does not please"),
            (19, "entries 19 to 19 are not there"),
        ]
    );
    let found = world.found(&acme, DEFAULT).await;
    assert_eq!(found, [1, 2, 3, 6, 8, 10, 11, 13, 14, 15, 16, 17, 18]);
    assert_eq!(world.found(&globex, DEFAULT).await, [1, 2]);
    // Passed over for good: nothing is left to do.
    let written = faults.written.load(std::sync::atomic::Ordering::SeqCst);
    state.catch_up().await.unwrap();
    assert_eq!(
        written,
        faults.written.load(std::sync::atomic::Ordering::SeqCst)
    );
    world.end(&[&acme, &globex]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_the_bulk_and_moves_the_cursors() {
    let world = World::new(Index::Embedded).await;
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, 500).await;
    let worker = Running::start(world.state());
    world.until_visible(&acme, DEFAULT, 1).await;
    worker.stop().await;
    let cursors = |follower| world.followed.cursors(follower, acme.id);
    let written = cursors(indexer_worker::WRITTEN).await.unwrap();
    let visible = cursors(indexer_worker::VISIBLE).await.unwrap();
    assert_eq!(written, visible);
    let found = world.found(&acme, DEFAULT).await;
    assert_eq!(found.len() as u64, written[0].next);
    world.state().catch_up().await.unwrap();
    world.verify(&[&acme]).await;
    world.end(&[&acme]).await;
}

/// What several chains of a tenant have is made found at once.
#[tokio::test(flavor = "multi_thread")]
async fn refreshes_are_coalesced() {
    let world = World::new(Index::Embedded).await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    for tenant in [&acme, &globex] {
        for partition in [DEFAULT, "billing", "login"] {
            world.append(tenant, partition, 10).await;
        }
    }
    let faults = Faults::before(&world.search);
    let state = world.worker(Arc::clone(&faults) as _);
    state.catch_up().await.unwrap();
    let refreshed = faults.refreshed.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(refreshed, 2, "one of each tenant");
    world.verify(&[&acme, &globex]).await;
    world.end(&[&acme, &globex]).await;
}
