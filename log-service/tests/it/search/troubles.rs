//! An index that is replaced while it is asked, that is there for some tenants alone, or not at all.

use std::sync::Arc;

use serde_json::json;

use super::fill;
use super::index::{self, Indexed, Kind};
use super::replaced::Replaced;
use crate::auth::{A, A_B as B};
use crate::world::{EVERYTHING, World, request, send};

#[tokio::test]
async fn an_index_that_is_replaced_meanwhile_is_not_believed() {
    let world = World::start().await;
    let backend = world.auth.service(A, EVERYTHING);
    let auditor = world.auth.user(A, "auditor");
    fill(&world, &backend, 60).await;
    let index = Replaced::new(&world);
    let over_index = world.replica_over(Arc::clone(&index) as _).await;
    let paths = [
        "logs?partition=default&q=card",
        "logs?partition=default&q=card&order=asc",
        "logs/stats?partition=default&q=card",
    ];
    for (asked_before, path) in paths.into_iter().enumerate() {
        index.put(A.id, "default", 40).await;
        let path = format!("/api/v1/{path}");
        let expected = world.get(&auditor, &path).await.is(200);
        let asked = request("GET", &auditor, &path).body(axum::body::Body::empty());
        let found = send(&over_index, asked.unwrap()).await.is(200);
        assert_eq!(found, expected, "{path}");
        assert_eq!(index.asked(), asked_before + 1, "{path}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_tenant_whose_index_cannot_be_asked_troubles_no_other() {
    let indexed = Indexed::open(Kind::OpenSearch).await;
    let world = World::searching(indexed.search()).await;
    for tenant in [A, B] {
        let backend = world.auth.service(tenant, EVERYTHING);
        world.fill(&backend, "default", 8).await;
    }
    indexed.create_red(A.id).await;
    index::cursor(&world, A.id, "default", 4).await;
    indexed.index(&world, B.id, "default", 4).await;
    let (red, green) = (world.auth.user(A, "auditor"), world.auth.user(B, "auditor"));
    let stats = "/api/v1/logs/stats?partition=default";
    for path in [
        "/api/v1/logs?partition=default&q=login",
        "/api/v1/logs?partition=default&action=user.login&wait_for=7",
    ] {
        // The ledger answers for one, with everything,
        let page = world.get(&red, path).await.is(200);
        assert_eq!(page["entries"].as_array().unwrap().len(), 4, "{path}");
        let counts = world.get(&red, stats).await.is(200);
        assert_eq!(
            (&counts["total"], &counts["complete"]),
            (&json!(8), &json!(true))
        );
        // and the index for the other, with as much as it has.
        let counts = world.get(&green, stats).await.is(200);
        assert_eq!(
            (&counts["total"], &counts["complete"]),
            (&json!(4), &json!(false))
        );
    }
    indexed.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_server_that_is_down_is_no_failure() {
    let world = World::searching(index::down().await).await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    fill(&world, &backend, 24).await;
    index::cursor(&world, A.id, "default", 16).await;
    let page = world
        .get(&auditor, "/api/v1/logs?q=declined&partition=default")
        .await
        .is(200);
    assert!(!page["entries"].as_array().unwrap().is_empty());
    assert_eq!(page["complete"], true);
    let stats = world
        .get(&auditor, "/api/v1/logs/stats?partition=default")
        .await
        .is(200);
    assert_eq!(
        (&stats["total"], &stats["complete"]),
        (&json!(16), &json!(true))
    );
    world.get(&auditor, "/readyz").await.is(200);
    let health = world.get(&auditor, "/health").await.is(200);
    let checks = health["checks"].as_array().unwrap();
    assert!(
        checks.contains(&json!({"name": "index", "status": "degraded"})),
        "{health}"
    );
    world.end().await;
}
