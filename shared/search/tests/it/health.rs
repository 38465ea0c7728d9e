//! What is said of an OpenSearch in which one tenant's index cannot be asked.

use opensearch::http::Method;
use search::Error;
use serde_json::json;
use uuid::Uuid;

use crate::opensearch::{delete, operate};
use crate::world::{Kind, World};

#[tokio::test]
async fn an_index_without_its_shard_is_told_and_the_server_is_ready() {
    let world = World::open(Kind::OpenSearch).await;
    let (url, index) = (&world.settings.url, world.index_of(Uuid::now_v7()));
    let path = format!("{index}?wait_for_active_shards=0");
    let body = json!({"settings": {"index.routing.allocation.require._name": "nobody"}});
    operate(url, Method::Put, &path, Some(body)).await;
    world.search.ready().await.unwrap();
    let ready = world.search.ready_for_all().await;
    assert!(matches!(ready, Err(Error::Unavailable(_))), "{ready:?}");
    delete(url, &index).await;
    world.end().await;
}
