//! An index that is lost, one that is built beside, and tenants that move.

use opensearch::http::Method;
use search::{Error, FORM, Placement, Rebuild, Refused, Which};
use serde_json::json;
use uuid::Uuid;

use crate::entries::small;
use crate::opensearch::operate;
use crate::world::{Asked, World};

const START: i64 = 1_700_000_000_000_000;

fn some(from: u64, to: u64) -> Vec<query::Document> {
    (from..to)
        .map(|seq| small("default", seq, START + i64::try_from(seq).unwrap()))
        .collect()
}

pub(crate) async fn a_lost_index_is_missed_and_rebuilt(mut world: World) {
    let tenant = world.tenant().await;
    world.write(tenant, &some(0, 3)).await;
    lose(&world, tenant).await;
    world.reopen().await;
    let all = Asked::all("", &["default"]);
    assert!(matches!(
        all.try_find(&world, tenant).await,
        Err(Error::Missing)
    ));
    assert!(matches!(
        all.stats(&world, tenant, 1, None).await,
        Err(Error::Missing)
    ));
    let written = world
        .search
        .write(tenant, Which::Current, &some(3, 4))
        .await;
    assert!(matches!(written, Err(Error::Missing)), "{written:?}");
    assert!(matches!(
        world.search.refresh(tenant).await,
        Err(Error::Missing)
    ));
    let next = world.begin(tenant).await;
    let refused = world
        .search
        .write(tenant, Which::Next(next), &some(0, 4))
        .await
        .unwrap();
    assert_eq!(refused, []);
    world.search.finish_rebuild(tenant, next).await.unwrap();
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2, 3]);
    world.end().await;
}

/// What an operator can do by mistake.
async fn lose(world: &World, tenant: Uuid) {
    if let Some(directory) = world.directory() {
        std::fs::remove_dir_all(directory.join(tenant.simple().to_string())).unwrap();
        return;
    }
    crate::opensearch::delete(&world.settings.url, &world.index_of(tenant)).await;
}

pub(crate) async fn the_next_index_is_beside_the_current_one(mut world: World) {
    let tenant = world.tenant().await;
    world.write(tenant, &some(0, 3)).await;
    let next = world.begin(tenant).await;
    let all = Asked::all("", &["default"]);
    world
        .search
        .write(tenant, Which::Next(next), &some(0, 2))
        .await
        .unwrap();
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2]);
    world.write(tenant, &some(3, 5)).await;
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2, 3, 4]);
    world
        .search
        .write(tenant, Which::Next(next), &some(2, 6))
        .await
        .unwrap();
    world.search.finish_rebuild(tenant, next).await.unwrap();
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2, 3, 4, 5]);
    world.search.finish_rebuild(tenant, next).await.unwrap();
    world.write(tenant, &some(5, 7)).await;
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2, 3, 4, 5, 6]);
    world.reopen().await;
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2, 3, 4, 5, 6]);
    world.end().await;
}

pub(crate) async fn a_rebuild_that_was_left_is_begun_anew(mut world: World) {
    let tenant = world.tenant().await;
    world.write(tenant, &some(0, 3)).await;
    let next = world.begin(tenant).await;
    world
        .search
        .write(tenant, Which::Next(next), &some(0, 9))
        .await
        .unwrap();
    world.reopen().await;
    let all = Asked::all("", &["default"]);
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2]);
    let next = world.begin(tenant).await;
    world
        .search
        .write(tenant, Which::Next(next), &some(0, 4))
        .await
        .unwrap();
    world.search.finish_rebuild(tenant, next).await.unwrap();
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2, 3]);
    // Making what is there changes nothing.
    world.search.create(tenant, world.placement).await.unwrap();
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2, 3]);
    world.end().await;
}

async fn fill(
    world: &World,
    tenant: Uuid,
    rebuild: Rebuild,
    documents: &[query::Document],
) -> Result<Vec<Refused>, Error> {
    let next = Which::Next(rebuild);
    world.search.write(tenant, next, documents).await
}

/// Whoever is overtaken does not notice it by himself: a process that was stopped goes on where it was.
pub(crate) async fn a_rebuild_that_is_overtaken_ends(world: World) {
    let tenant = world.tenant().await;
    world.write(tenant, &some(0, 3)).await;
    let first = world.begin(tenant).await;
    fill(&world, tenant, first, &some(0, 2)).await.unwrap();

    let second = world.begin(tenant).await;
    assert_ne!(first, second);
    fill(&world, tenant, second, &some(0, 2)).await.unwrap();
    let late = fill(&world, tenant, first, &some(2, 6)).await;
    assert!(matches!(late, Err(Error::Missing)), "{late:?}");
    fill(&world, tenant, second, &some(2, 4)).await.unwrap();
    let ended = world.search.finish_rebuild(tenant, first).await;
    assert!(matches!(ended, Err(Error::Missing)), "{ended:?}");
    let all = Asked::all("", &["default"]);
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2]);

    // Twice, as by somebody who does not know whether he did it.
    for _ in 0..2 {
        world.search.finish_rebuild(tenant, second).await.unwrap();
        assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2, 3]);
    }
    for rebuild in [first, second] {
        let late = fill(&world, tenant, rebuild, &some(4, 6)).await;
        assert!(matches!(late, Err(Error::Missing)), "{late:?}");
    }
    let ended = world.search.finish_rebuild(tenant, first).await;
    assert!(matches!(ended, Err(Error::Missing)), "{ended:?}");
    world.search.refresh(tenant).await.unwrap();
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2, 3]);
    world.end().await;
}

/// The server goes on with a request whose sender was killed, and makes an index when nobody thinks
/// of it any more.
pub(crate) async fn what_a_killed_rebuild_makes_comes_late(world: World) {
    let tenant = world.tenant().await;
    let url = &world.settings.url;
    let index = format!("{}-{FORM}-{}", world.settings.prefix, tenant.simple());
    let alias = format!("{index}-next");
    let late = |number| {
        let body = json!({"aliases": {&alias: {"is_write_index": number == 0}}});
        let index = format!("{index}-{number}");
        async move { crate::opensearch::make(url, &index, &body).await }
    };
    // Before the next rebuild, even twice.
    assert!(late(2).await && late(3).await);
    let next = world.begin(tenant).await;
    let written = world
        .search
        .write(tenant, Which::Next(next), &some(0, 4))
        .await;
    assert_eq!(written.unwrap(), []);
    // During it.
    assert!(!late(0).await);
    world.search.finish_rebuild(tenant, next).await.unwrap();
    // After it.
    assert!(late(0).await);
    let all = Asked::all("", &["default"]);
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2, 3]);
    world.begin(tenant).await;
    world.end().await;
}

/// Two that begin at the same moment both find nothing to throw away. Where they share an index, the server lets the
/// aliases of the second one take the place of the first one's.
pub(crate) async fn of_two_that_begin_at_once_one_is_switched_to(world: World) {
    let tenant = world.tenant().await;
    world.write(tenant, &some(0, 3)).await;
    let first = world.begin(tenant).await;
    fill(&world, tenant, first, &some(0, 2)).await.unwrap();
    let names = format!("{}-{FORM}-{}", world.settings.prefix, tenant.simple());
    let add = json!({"add": {
        "index": world.index_of(tenant), "alias": format!("{names}-next"), "is_write_index": true,
        "filter": {"term": {"owner": format!("{}-second", tenant.simple())}},
        "routing": tenant.simple().to_string(),
    }});
    let actions = json!({"actions": [add]});
    let url = &world.settings.url;
    operate(url, Method::Post, "_aliases", Some(actions)).await;
    let ended = world.search.finish_rebuild(tenant, first).await;
    assert!(matches!(ended, Err(Error::Missing)), "{ended:?}");
    let all = Asked::all("", &["default"]);
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2]);
    let next = world.begin(tenant).await;
    fill(&world, tenant, next, &some(0, 4)).await.unwrap();
    world.search.finish_rebuild(tenant, next).await.unwrap();
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2, 3]);
    world.end().await;
}

pub(crate) async fn the_placement_can_change(world: World) {
    let (tenant, neighbour) = (world.tenant().await, world.tenant().await);
    world.write(tenant, &some(0, 3)).await;
    world.write(neighbour, &some(0, 5)).await;
    let all = Asked::all("", &["default"]);
    for placement in [
        Placement::Pooled,
        Placement::Pooled,
        Placement::Own,
        Placement::Pooled,
    ] {
        let begun = world.search.begin_rebuild(tenant, placement).await;
        let next = begun.unwrap();
        world
            .search
            .write(tenant, Which::Next(next), &some(0, 3))
            .await
            .unwrap();
        assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2]);
        world.search.finish_rebuild(tenant, next).await.unwrap();
        assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2]);
        assert_eq!(all.seqs(&world, neighbour).await, [0, 1, 2, 3, 4]);
    }
    world.end().await;
}
