//! Reading what one has just written: `wait_for` answers when searches find it, and not before.

use futures_util::future::{join_all, select_all};
use ledger::Chain;
use ledger::follow::{Config, Followed};
use search::VISIBLE;

use crate::auth::{A, A_B};
use crate::search::index::{self, Indexed, Kind};
use crate::world::{EVERYTHING, World};

/// With an index that has nothing: how far it is stands in the ledger.
async fn indexed() -> (Indexed, World) {
    let indexed = Indexed::open(Kind::Embedded).await;
    let world = World::searching(indexed.search()).await;
    (indexed, world)
}

/// As an indexer-worker says that searches find everything before `next`.
async fn make_visible(world: &World, partition: &str, next: u64) {
    let followed = Followed::new(Config::new(world.database.url.as_str().into())).unwrap();
    let chain = Chain {
        tenant: A.id,
        partition: partition.to_owned(),
    };
    let behind = followed.due(VISIBLE, &chain).await.unwrap().remove(0);
    let mut cursor = behind.cursor;
    cursor.next = next;
    followed
        .advance(VISIBLE, &[(cursor, behind.epoch)])
        .await
        .unwrap();
    followed.stop().await;
}

fn path(seq: u64) -> String {
    format!("/api/v1/logs?partition=default&wait_for={seq}")
}

#[tokio::test]
async fn it_answers_when_the_entry_is_found() {
    let (indexed, world) = indexed().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    world.fill(&backend, "default", 5).await;
    make_visible(&world, "default", 2).await;
    // There already.
    world.get(&auditor, &path(1)).await.is(200);
    let (next, last) = (path(2), path(4));
    {
        let mut longer = Box::pin(world.get(&auditor, &last));
        let waiting = join_all((0..20).map(|_| world.get(&auditor, &next)));
        let found = async { tokio::join!(waiting, make_visible(&world, "default", 3)) };
        // Entry 2 is found, and whoever waits for it has his answer; entry 4 is not.
        let (answers, ()) = tokio::select! {
            _ = &mut longer => panic!("nobody said that it is found"),
            found = found => found,
        };
        for answer in answers {
            answer.is(200);
        }
        make_visible(&world, "default", 5).await;
        longer.await.is(200);
    }
    indexed.end().await;
    assert_eq!(world.end().await, 5 + 1);
}

#[tokio::test]
async fn what_cannot_come_is_not_waited_for() {
    let (indexed, world) = indexed().await;
    let (backend, viewer) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "viewer"),
    );
    world.fill(&backend, "default", 2).await;
    make_visible(&world, "default", 2).await;
    for (query, place) in [
        ("partition=default&wait_for=2", "query.wait_for"),
        ("partition=nothing&wait_for=0", "query.wait_for"),
        ("wait_for=0", "query.wait_for"),
        ("partition=default&wait_for=-1", "query.wait_for"),
        (
            "partition=default&wait_for=18446744073709551616",
            "query.wait_for",
        ),
        ("partition=default&wait_for=", "query.wait_for"),
    ] {
        let path = format!("/api/v1/logs?{query}");
        world.get(&viewer, &path).await.places(&[place]);
    }
    // Whether an entry of a partition is there is told to those alone who may read it, and to its tenant.
    let path = "/api/v1/logs?partition=system&wait_for=0";
    world.get(&viewer, path).await.refused(403, "forbidden");
    let stranger = world.auth.user(A_B, "auditor");
    let path = "/api/v1/logs?partition=default&wait_for=0";
    world.get(&stranger, path).await.places(&["query.wait_for"]);
    indexed.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_tenants_share_of_waiters_is_bounded() {
    let (indexed, world) = indexed().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    world.fill(&backend, "default", 2).await;
    make_visible(&world, "default", 1).await;
    {
        let asked = path(1);
        let asking = (0..65).map(|_| Box::pin(world.get(&auditor, &asked)));
        // Whoever comes last is refused, while the others wait.
        let (refused, ..) = select_all(asking).await;
        refused.refused(429, "too_many_requests");
    }
    make_visible(&world, "default", 2).await;
    world.get(&auditor, &path(1)).await.is(200);
    indexed.end().await;
    world.end().await;
}

/// The ledger has what was just written.
#[tokio::test]
async fn an_index_that_is_down_is_not_waited_for() {
    let world = World::searching(index::down().await).await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    world.fill(&backend, "default", 2).await;
    // When nobody knows it yet, and while it is left alone.
    for _ in 0..2 {
        let page = world.get(&auditor, &path(1)).await.is(200);
        assert_eq!(page["entries"].as_array().unwrap().len(), 2);
    }
    world
        .get(&auditor, &path(2))
        .await
        .places(&["query.wait_for"]);
    world.end().await;
}

#[tokio::test]
async fn without_an_index_nothing_is_waited_for() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    world.fill(&backend, "default", 2).await;
    let page = world.get(&auditor, &path(1)).await.is(200);
    assert_eq!(page["entries"].as_array().unwrap().len(), 2);
    world.end().await;
}
