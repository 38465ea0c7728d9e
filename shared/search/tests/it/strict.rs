//! Nothing is guessed from a document: a member that the mapping does not name is refused, and so is one of another type.

use opensearch::http::Method;
use serde_json::json;

use crate::opensearch::refused;
use crate::world::{Kind, World};

async fn strict(kind: Kind) {
    let world = World::open(kind).await;
    let tenant = world.tenant().await;
    let (url, index) = (&world.settings.url, world.index_of(tenant));
    for (document, error) in [
        (json!({"surprise": 1}), "strict_dynamic_mapping_exception"),
        (
            json!({"seq": {"of": "a chain"}}),
            "mapper_parsing_exception",
        ),
    ] {
        let path = format!("{index}/_doc/1?routing={}", tenant.simple());
        let answer = refused(url, Method::Put, &path, document).await;
        assert_eq!(answer, error, "{kind:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn an_index_of_ones_own_is_strict() {
    strict(Kind::OpenSearch).await;
}

#[tokio::test]
async fn a_shared_index_is_strict() {
    strict(Kind::Pooled).await;
}
