//! States that an operator, a full disk or a missing right brings an OpenSearch into. None of them is a
//! document's fault, and what comes meanwhile is written afterwards.

use opensearch::http::Method;
use search::{Error, Which};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::entries::small;
use crate::opensearch::operate;
use crate::world::{Asked, Kind, World};

const START: i64 = 1_700_000_000_000_000;
const PLACEMENTS: [Kind; 2] = [Kind::OpenSearch, Kind::Pooled];

async fn set(world: &World, tenant: Uuid, settings: Value) {
    let path = format!("{}/_settings", world.index_of(tenant));
    operate(&world.settings.url, Method::Put, &path, Some(settings)).await;
}

/// Nothing of a bulk is refused, and all of it is written when the settings are lifted.
async fn is_waited_for(kind: Kind, setting: &str, value: &Value) {
    let world = World::open(kind).await;
    let tenant = world.tenant().await;
    world.write(tenant, &[small("default", 0, START)]).await;
    set(&world, tenant, json!({setting: value})).await;
    let documents = [small("default", 1, START), small("default", 2, START)];
    let written = world.search.write(tenant, Which::Current, &documents).await;
    assert!(
        matches!(written, Err(Error::Unavailable(_))),
        "{setting}: {written:?}"
    );
    set(&world, tenant, json!({setting: null})).await;
    world.write(tenant, &documents).await;
    let all = Asked::all("", &["default"]);
    assert_eq!(all.seqs(&world, tenant).await, [0, 1, 2], "{setting}");
    world.end().await;
}

#[tokio::test]
async fn a_block_for_writing_is_waited_for() {
    for kind in PLACEMENTS {
        is_waited_for(kind, "index.blocks.write", &json!(true)).await;
    }
}

#[tokio::test]
async fn a_pipeline_that_is_not_there_is_waited_for() {
    for kind in PLACEMENTS {
        is_waited_for(kind, "index.default_pipeline", &json!("nobody-made-it")).await;
    }
}

#[tokio::test]
async fn a_closed_index_is_waited_for() {
    for kind in PLACEMENTS {
        let world = World::open(kind).await;
        let tenant = world.tenant().await;
        world.write(tenant, &[small("default", 0, START)]).await;
        let (url, index) = (&world.settings.url, world.index_of(tenant));
        operate(url, Method::Post, &format!("{index}/_close"), None).await;
        let document = small("default", 1, START);
        let documents = std::slice::from_ref(&document);
        let written = world.search.write(tenant, Which::Current, documents).await;
        assert!(matches!(written, Err(Error::Unavailable(_))), "{written:?}");
        let all = Asked::all("", &["default"]);
        let found = all.try_find(&world, tenant).await;
        assert!(matches!(found, Err(Error::Unavailable(_))), "{found:?}");
        operate(url, Method::Post, &format!("{index}/_open"), None).await;
        world.write(tenant, documents).await;
        assert_eq!(all.seqs(&world, tenant).await, [0, 1]);
        world.end().await;
    }
}
