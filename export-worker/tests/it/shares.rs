//! Who gets a place when several want one: no tenant takes them all.

use std::sync::Arc;
use std::time::Duration;

use export::Format;
use export::jobs::{self, Ending, Room, State};
use futures_util::future::join_all;
use ledger::Tenant;
use service::Shutdown;
use uuid::Uuid;

use crate::stopping::Stopping;
use crate::world::{Place, World, request};

const LEASE: Duration = Duration::from_mins(1);
/// Longer than a worker waits without a hint.
const SOON: Duration = Duration::from_secs(30);

fn other() -> Tenant {
    Tenant {
        id: Uuid::now_v7(),
        code: "other".to_owned(),
    }
}

/// The first tenant asks for more than there are places, and none of its jobs ever ends.
#[tokio::test]
async fn a_large_export_of_one_tenant_leaves_a_place_for_another() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 3).await;
    let (store, steps) = Stopping::new(Arc::clone(&world.store), 0, false);
    let worker = world.worker_on(Arc::new(store));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.ask(request(Format::Csv, &[])).await.id);
    }
    let shutdown = Shutdown::new();
    let working = tokio::spawn(export_worker::run(worker.clone(), shutdown.clone()));
    steps.reached.notified().await;

    let other = other();
    let small = world.ask_as(&other, request(Format::Csv, &[])).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let finished = async {
        while world
            .jobs
            .get(other.id, small.id)
            .await
            .unwrap()
            .unwrap()
            .state
            != State::Finished
        {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(SOON, finished).await.unwrap();
    let mut attempts = Vec::new();
    for id in ids {
        attempts.push(world.job(id).await.attempt);
    }
    assert_eq!(attempts, [1, 0, 0]);
    shutdown.begin();
    working.await.unwrap();
    world.jobs.cancel(other.id, small.id).await.unwrap();
    worker.close().await;
    world.end().await;
}

/// Many workers with one place left each, at the same moment.
#[tokio::test]
async fn last_places_go_to_different_tenants() {
    let world = World::new(Place::Directory).await;
    let url = world.url.as_str().into();
    let work = export::Jobs::open(&url, jobs::Role::Work, 8).unwrap();
    for _ in 0..3 {
        world.ask(request(Format::Csv, &[])).await;
    }
    let others = [other(), other()];
    for tenant in &others {
        for _ in 0..2 {
            world.ask_as(tenant, request(Format::Csv, &[])).await;
        }
    }
    let claims = (0..8).map(|_| work.claim(LEASE, Room::Last));
    let claimed = join_all(claims).await.into_iter();
    let claimed: Vec<_> = claimed.filter_map(Result::unwrap).collect();
    let mut tenants: Vec<_> = claimed.iter().map(|job| job.tenant.id).collect();
    tenants.sort_unstable();
    let mut all = vec![world.tenant.id, others[0].id, others[1].id];
    all.sort_unstable();
    assert_eq!(tenants, all);

    // Where there is more room, whoever has the fewest is next; all have one.
    let next = work.claim(LEASE, Room::Any).await.unwrap().unwrap();
    assert_eq!(next.tenant.id, world.tenant.id);
    // A tenant whose job has ended may have a last place again.
    let first = claimed.iter().find(|job| job.tenant.id == others[0].id);
    let pause = Ending::Later(Duration::from_hours(1));
    work.end(first.unwrap().claim(), &pause).await.unwrap();
    let again = work.claim(LEASE, Room::Last).await.unwrap().unwrap();
    assert_eq!(again.tenant.id, others[0].id);
    assert_eq!(work.claim(LEASE, Room::Last).await.unwrap(), None);
    work.close().await;
    for tenant in &others {
        for job in world.jobs.list(tenant.id, None, 10).await.unwrap() {
            world.jobs.cancel(tenant.id, job.id).await.unwrap();
        }
    }
    world.end().await;
}
