//! Indices built anew from the ledger while entries come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use search::Placement;
use service::Shutdown;

use crate::faults::Faults;
use crate::world::{DEFAULT, Index, Running, World, tenant};

async fn while_appends_go_on(index: Index) {
    let world = Arc::new(World::new(index).await);
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    for tenant in [&acme, &globex] {
        world.append(tenant, DEFAULT, 30).await;
        world.append(tenant, "billing", 5).await;
    }
    let worker = Running::start(world.fast_worker(Arc::clone(&world.search)));
    world.until_visible(&acme, DEFAULT, 30).await;
    world.until_visible(&globex, DEFAULT, 30).await;

    let on = Arc::new(AtomicBool::new(true));
    let appending = tokio::spawn({
        let (world, acme, on) = (Arc::clone(&world), acme.clone(), Arc::clone(&on));
        async move {
            while on.load(Ordering::SeqCst) {
                world.append(&acme, DEFAULT, 2).await;
                world.append(&acme, "new", 1).await;
            }
        }
    });
    let another = world.fast_worker(world.another_search().await);
    let never = Shutdown::new();
    let done = another.rebuild(acme.id, None, &never).await;
    assert!(done.unwrap());
    on.store(false, Ordering::SeqCst);
    appending.await.unwrap();
    worker.stop().await;
    let last = world.fast_worker(Arc::clone(&world.search));
    last.catch_up().await.unwrap();
    world.verify(&[&acme, &globex]).await;
    let world = Arc::into_inner(world).unwrap();
    world.end(&[&acme, &globex]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_appends_go_on_embedded() {
    while_appends_go_on(Index::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_appends_go_on_opensearch() {
    while_appends_go_on(Index::OpenSearch).await;
}

/// The claim went with its connection, and its holder goes on when another one has done it: after so many writes of
/// seven, or just before the switch.
async fn one_that_is_overtaken_changes_nothing(index: Index) {
    for steps in [2, 7] {
        let world = World::new(index).await;
        let acme = tenant("acme");
        world.append(&acme, DEFAULT, 20).await;
        world.state().catch_up().await.unwrap();
        let faults = Faults::before(&world.another_search().await);
        faults.stop_rebuilds_after(steps);
        let (slow, id) = (world.worker(Arc::clone(&faults) as _), acme.id);
        let first = tokio::spawn(async move {
            let never = Shutdown::new();
            slow.rebuild(id, None, &never).await
        });
        faults.until_stopped().await;
        let never = Shutdown::new();
        let done = world.state().rebuild(acme.id, None, &never).await;
        assert!(!done.unwrap(), "it is claimed");

        world.end_claims().await;
        let done = world.state().rebuild(acme.id, None, &never).await;
        assert!(done.unwrap());
        world.append(&acme, DEFAULT, 10).await;
        faults.let_rebuilds_go_on();
        let ended = first.await.unwrap().unwrap_err();
        let ended = format!("{ended:#}");
        assert!(ended.contains("another rebuild"), "{ended}");
        world.state().catch_up().await.unwrap();
        world.verify(&[&acme]).await;
        world.end(&[&acme]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_overtaken_changes_nothing_embedded() {
    one_that_is_overtaken_changes_nothing(Index::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_overtaken_changes_nothing_opensearch() {
    one_that_is_overtaken_changes_nothing(Index::OpenSearch).await;
}

/// Nobody needs to call for it, also when nothing is appended any more.
async fn a_lost_index_is_built_anew(index: Index) {
    let world = World::new(index).await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    for tenant in [&acme, &globex] {
        world.append(tenant, DEFAULT, 10).await;
    }
    let state = world.state();
    state.catch_up().await.unwrap();
    for tenant in [&acme, &globex] {
        world.search.drop_tenant(tenant.id).await.unwrap();
    }
    // One is appended to.
    world.append(&acme, DEFAULT, 1).await;
    state.catch_up().await.unwrap();
    world.verify(&[&acme]).await;
    // The other is found missing when a worker starts.
    let faults = Faults::before(&world.search);
    let worker = Running::start(world.worker(Arc::clone(&faults) as _));
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    for _ in 0..1_000 {
        tick.tick().await;
        if faults.written.load(Ordering::SeqCst) >= 10 {
            break;
        }
    }
    world.until_visible(&globex, DEFAULT, 10).await;
    worker.stop().await;
    world.verify(&[&acme, &globex]).await;
    world.end(&[&acme, &globex]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_index_is_built_anew_embedded() {
    a_lost_index_is_built_anew(Index::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_index_is_built_anew_opensearch() {
    a_lost_index_is_built_anew(Index::OpenSearch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_are_built_anew_and_what_was_refused_is_tried_again() {
    let world = World::new(Index::Embedded).await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    for tenant in [&acme, &globex] {
        world.append(tenant, DEFAULT, 10).await;
    }
    let faults = Faults::before(&world.search);
    faults.refuse([3, 8]);
    world.worker(faults).catch_up().await.unwrap();
    assert_eq!(world.found(&acme, DEFAULT).await.len(), 8);
    let never = Shutdown::new();
    let state = world.state();
    let rebuilt = state.rebuild_all(None, &never).await.unwrap();
    assert_eq!(rebuilt, 2);
    for tenant in [&acme, &globex] {
        assert_eq!(world.found(tenant, DEFAULT).await.len(), 10);
        assert_eq!(world.followed.unindexed(tenant.id, 10).await.unwrap(), []);
    }
    state.catch_up().await.unwrap();
    world.verify(&[&acme, &globex]).await;
    world.end(&[&acme, &globex]).await;
}

/// What the index in service does not have stays on record as long as it is in service.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_fails_forgets_nothing() {
    let world = World::new(Index::Embedded).await;
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, 20).await;
    let faults = Faults::before(&world.search);
    faults.refuse([3, 8]);
    let state = world.worker(Arc::clone(&faults) as _);
    state.catch_up().await.unwrap();
    let refused = async || -> Vec<u64> {
        let notes = world.followed.unindexed(acme.id, 10).await.unwrap();
        notes.into_iter().map(|note| note.seq).collect()
    };
    assert_eq!(refused().await, [3, 8]);
    let never = Shutdown::new();
    faults.be_away(true);
    let failed = state.rebuild(acme.id, None, &never).await;
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(refused().await, [3, 8]);

    // In the middle, by another one that takes them all.
    let slow = Faults::before(&world.search);
    slow.stop_rebuilds_after(4);
    let another = world.worker(Arc::clone(&slow) as _);
    let rebuild = another.rebuild(acme.id, None, &never);
    tokio::select! {
        ended = rebuild => panic!("{ended:?}"),
        () = slow.until_stopped() => {}
    }
    assert_eq!(refused().await, [3, 8]);

    faults.be_away(false);
    world.end_claims().await;
    let state = world.worker(faults);
    assert!(state.rebuild(acme.id, None, &never).await.unwrap());
    assert_eq!(refused().await, [3, 8], "it refuses them again");
    let last = world.state();
    assert!(last.rebuild(acme.id, None, &never).await.unwrap());
    assert!(refused().await.is_empty());
    last.catch_up().await.unwrap();
    world.verify(&[&acme]).await;
    world.end(&[&acme]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_stays_where_it_was_moved_to() {
    let world = World::new(Index::Embedded).await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    for tenant in [&acme, &globex] {
        world.append(tenant, DEFAULT, 10).await;
    }
    let faults = Faults::before(&world.search);
    let state = world.worker(Arc::clone(&faults) as _);
    state.catch_up().await.unwrap();
    // Two that find none may both make it.
    let first = faults.placed(acme.id);
    assert!(!first.is_empty() && first.iter().all(|place| *place == Placement::Own));
    let never = Shutdown::new();
    let moved = state.rebuild(acme.id, Some(Placement::Pooled), &never);
    assert!(moved.await.unwrap());

    // Lost while entries come.
    world.search.drop_tenant(acme.id).await.unwrap();
    let worker = Running::start(world.worker(Arc::clone(&faults) as _));
    for _ in 0..5 {
        world.append(&acme, DEFAULT, 2).await;
    }
    world.until_visible(&acme, DEFAULT, 20).await;
    worker.stop().await;
    let state = world.worker(Arc::clone(&faults) as _);
    assert_eq!(state.rebuild_all(None, &never).await.unwrap(), 2);
    state.catch_up().await.unwrap();

    let placed = faults.placed(acme.id).split_off(first.len());
    assert!(placed.len() >= 3, "{placed:?}");
    let kept = placed.iter().all(|place| *place == Placement::Pooled);
    assert!(kept, "{placed:?}");
    let placed = faults.placed(globex.id);
    let kept = placed.iter().all(|place| *place == Placement::Own);
    assert!(placed.len() >= 2 && kept, "{placed:?}");
    world.verify(&[&acme, &globex]).await;
    world.end(&[&acme, &globex]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_lost_indices_leave_room_for_what_is_appended() {
    let world = World::new(Index::Embedded).await;
    let lost: Vec<_> = (0..8)
        .map(|number| tenant(&format!("lost{number}")))
        .collect();
    for tenant in &lost {
        world.append(tenant, DEFAULT, 3).await;
    }
    world.state().catch_up().await.unwrap();
    for tenant in &lost {
        world.search.drop_tenant(tenant.id).await.unwrap();
        world.append(tenant, DEFAULT, 1).await;
    }
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, 10).await;
    let faults = Faults::before(&world.search);
    faults.stall_rebuilds();
    let worker = Running::start(world.worker(faults));
    world.until_visible(&acme, DEFAULT, 10).await;
    worker.kill().await;
    let lost: Vec<_> = lost.iter().chain([&acme]).collect();
    world.end(&lost).await;
}
