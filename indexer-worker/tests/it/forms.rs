//! Programs of two forms of the index, one after the other or at once.

use std::sync::Arc;

use ledger::Tenant;
use search::{FORM, Search, WRITTEN};

use crate::world::{DEFAULT, Index, World, found_in, tenant};

const NEW: u32 = FORM + 1;

async fn next(world: &World, follower: &str, tenant: &Tenant) -> u64 {
    let cursors = world.followed.cursors(follower, tenant.id).await.unwrap();
    cursors.first().map_or(0, |cursor| cursor.next)
}

async fn all_are_found(search: &Arc<dyn Search>, tenant: &Tenant, size: u64) {
    let found = found_in(search, tenant, DEFAULT).await.unwrap();
    assert_eq!(found, (0..size).collect::<Vec<u64>>());
}

/// The directory is one process's, and holds one form.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_form_is_filled_from_the_beginning_embedded() {
    let world = World::new(Index::Embedded).await;
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, 20).await;
    world.state().catch_up().await.unwrap();
    world.search.close().await.unwrap();

    let search = world.of_form(NEW).await;
    let state = world.worker(Arc::clone(&search));
    world.append(&acme, DEFAULT, 5).await;
    state.catch_up().await.unwrap();
    all_are_found(&search, &acme, 25).await;
    assert_eq!(next(&world, &search::written(NEW), &acme).await, 25);
    assert_eq!(next(&world, &search::visible(NEW), &acme).await, 25);
    assert_eq!(next(&world, WRITTEN, &acme).await, 20);
    search.close().await.unwrap();
    world.end(&[]).await;
}

/// As while programs are replaced one by one.
#[tokio::test(flavor = "multi_thread")]
async fn two_forms_are_filled_side_by_side_opensearch() {
    let world = World::new(Index::OpenSearch).await;
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, 20).await;
    let old = world.state();
    old.catch_up().await.unwrap();
    let search = world.of_form(NEW).await;
    let new = world.worker(Arc::clone(&search));
    new.catch_up().await.unwrap();
    all_are_found(&search, &acme, 20).await;

    world.append(&acme, DEFAULT, 10).await;
    old.catch_up().await.unwrap();
    all_are_found(&world.search, &acme, 30).await;
    all_are_found(&search, &acme, 20).await;
    assert_eq!(next(&world, WRITTEN, &acme).await, 30);
    assert_eq!(next(&world, &search::written(NEW), &acme).await, 20);
    new.catch_up().await.unwrap();
    all_are_found(&search, &acme, 30).await;
    world.verify(&[&acme]).await;
    search.drop_tenant(acme.id).await.unwrap();
    world.end(&[&acme]).await;
}
