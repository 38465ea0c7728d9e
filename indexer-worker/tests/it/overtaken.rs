//! Others who come between two steps: what they did is not undone, and nothing is passed over.

use std::sync::Arc;
use std::time::Duration;

use indexer_worker::WRITTEN;
use opensearch::http::Method;
use opensearch::http::headers::HeaderMap;
use opensearch::http::transport::Transport;
use search::FORM;
use serde_json::json;
use service::Shutdown;

use crate::faults::Faults;
use crate::world::{DEFAULT, Index, World, tenant, variable};

/// More than one turn of a worker.
const MANY: usize = 60;

/// The first share of a tenant in an index that others use as well is made while somebody builds another one: the
/// server has both requests, and leads the alias to the wrong one.
#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_takes_the_place_of_a_better_one_is_built_anew() {
    let world = World::new(Index::OpenSearch).await;
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, MANY).await;
    let pooled = world.followed.set_placement(acme.id, "pooled");
    pooled.await.unwrap();
    let faults = Faults::before(&world.search);
    faults.stop_makers();
    let (state, another, id) = (
        world.worker(Arc::clone(&faults) as _),
        world.state(),
        acme.id,
    );
    let index = format!("{}-{FORM}-pool-0", world.prefix());
    let first = json!({"actions": [{"add": {
        "index": index, "alias": format!("{}-{FORM}-{}", world.prefix(), id.simple()), "is_write_index": true,
        "filter": {"term": {"owner": format!("{}-1", id.simple())}}, "routing": id.simple().to_string(),
    }}]});
    let overtaking = async {
        faults.until_made().await;
        let rebuilt = another.rebuild(id, None, &Shutdown::new()).await;
        assert!(rebuilt.unwrap());
        ask(Method::Post, "_aliases", Some(first.to_string())).await;
        faults.let_makers_go_on();
    };
    let (caught_up, ()) = tokio::join!(state.catch_up(), overtaking);
    caught_up.unwrap();
    world.state().catch_up().await.unwrap();
    world.verify(&[&acme]).await;
    world.end(&[&acme]).await;
    ask(Method::Delete, &index, None).await;
}

async fn ask(method: Method, path: &str, body: Option<String>) {
    let transport = Transport::single_node(&variable("OPENSEARCH_URL")).unwrap();
    let none: Option<&()> = None;
    let answer = transport.send(method, path, HeaderMap::new(), none, body, None);
    let answer = answer.await.unwrap();
    assert!(answer.status_code().is_success(), "{path}: {answer:?}");
}

/// Whoever stands still between his hold and the switch: others go on with the old index when the hold is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_switch_is_not_made_when_its_hold_is_over() {
    let world = World::new(Index::Embedded).await;
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, 5).await;
    let state = world.state();
    state.catch_up().await.unwrap();
    world
        .tamper(
            "create function ledger.lapse() returns trigger language plpgsql
                 as 'begin new.held_until := now(); return new; end';
             create trigger lapse before insert or update on ledger.fences
                for each row execute function ledger.lapse();
             alter table ledger.fences enable always trigger lapse",
        )
        .await;
    let never = Shutdown::new();
    let failed = state.rebuild(acme.id, None, &never).await;
    let error = failed.expect_err("the hold was over").to_string();
    assert!(error.contains("the switch took too long"), "{error}");
    world.tamper("drop trigger lapse on ledger.fences").await;
    state.catch_up().await.unwrap();
    world.verify(&[&acme]).await;
    assert!(state.rebuild(acme.id, None, &never).await.unwrap());
    state.catch_up().await.unwrap();
    world.verify(&[&acme]).await;
    world.end(&[&acme]).await;
}

/// Nothing is to be written that would miss it.
async fn lost_when_all_is_written(index: Index) {
    let world = World::new(index).await;
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, 5).await;
    world.state().catch_up().await.unwrap();
    let visible = indexer_worker::VISIBLE;
    let invisible = format!("update ledger.cursors set next = 0 where follower = '{visible}'");
    world.tamper(&invisible).await;
    world.search.drop_tenant(acme.id).await.unwrap();
    world.state().catch_up().await.unwrap();
    world.verify(&[&acme]).await;
    world.end(&[&acme]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_when_all_is_written_embedded() {
    lost_when_all_is_written(Index::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_when_all_is_written_opensearch() {
    lost_when_all_is_written(Index::OpenSearch).await;
}

/// A chain with two generations is named twice: the second time there is nothing left to write.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_ends_where_all_is_written_and_on_no_record() {
    let world = World::new(Index::Embedded).await;
    let acme = tenant("acme");
    world.append(&acme, DEFAULT, 4).await;
    // As a recovery does it.
    world
        .tamper("update ledger.chains set generation = 2, size = 0 where partition = 'default'")
        .await;
    world.append(&acme, DEFAULT, 4).await;
    let state = world.state();
    let caught_up = tokio::time::timeout(Duration::from_secs(30), state.catch_up()).await;
    caught_up.expect("it ends").unwrap();
    let chain = ledger::Chain {
        tenant: acme.id,
        partition: DEFAULT.to_owned(),
    };
    assert_eq!(world.followed.due(WRITTEN, &chain).await.unwrap(), []);
    assert_eq!(world.found(&acme, DEFAULT).await, [0, 1, 2, 3]);
    world.end(&[&acme]).await;
}
