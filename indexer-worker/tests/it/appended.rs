//! Entries that are appended between any two steps of a turn: no cursor passes one that is not in the
//! index.

use crate::killed::polls;
use crate::world::{DEFAULT, Index, World, tenant};

/// Everything is written and nothing is visible yet, as after a crash; then one more comes.
async fn appended_at_every_step(index: Index) {
    let world = World::new(index).await;
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, 1).await;
    world.state().catch_up().await.unwrap();
    let visible = indexer_worker::VISIBLE;
    let invisible = format!("update ledger.cursors set next = 0 where follower = '{visible}'");
    let state = world.state();
    let mut step = 0;
    loop {
        step += 1;
        world.tamper(&invisible).await;
        let mut turn = Box::pin(state.catch_up());
        let ended = polls(step, &mut turn).await;
        world.append(&acme, DEFAULT, 1).await;
        if ended.is_some() {
            break;
        }
        turn.await.unwrap();
        state.catch_up().await.unwrap();
        world.verify(&[&acme]).await;
    }
    assert!(step > 5, "{step}");
    state.catch_up().await.unwrap();
    world.verify(&[&acme]).await;
    world.end(&[&acme]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn appended_at_every_step_embedded() {
    appended_at_every_step(Index::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn appended_at_every_step_opensearch() {
    appended_at_every_step(Index::OpenSearch).await;
}
