//! Partitions: who makes them, what is recorded first, and what the list shows.

use serde_json::json;

use crate::auth::A;
use crate::world::{EVERYTHING, World};

#[tokio::test]
async fn a_partition_is_created_once_and_recorded_first() {
    let world = World::start().await;
    let admin = world.auth.user(A, "admin");
    let body = json!({"partition": "invoices"});
    assert_eq!(
        world
            .post(&admin, "/api/v1/partitions", &body)
            .await
            .is(201),
        body
    );
    assert_eq!(
        world
            .post(&admin, "/api/v1/partitions", &body)
            .await
            .is(200),
        body
    );
    for there in ["default", "system"] {
        world
            .post(&admin, "/api/v1/partitions", &json!({"partition": there}))
            .await
            .is(200);
    }
    let recorded = world.recorded(&admin, "partition.create").await;
    assert_eq!(recorded.len(), 1);
    assert_eq!(
        recorded[0]["actor"],
        json!({"type": "user", "id": admin.id})
    );
    assert_eq!(
        recorded[0]["targets"],
        json!([{"type": "partition", "id": "invoices"}])
    );
    for bad in ["", "A", "-a", "a b", "a/b", &"x".repeat(64), "a\u{0}"] {
        world
            .post(&admin, "/api/v1/partitions", &json!({"partition": bad}))
            .await
            .places(&["/partition"]);
    }
    world
        .post(
            &admin,
            "/api/v1/partitions",
            &json!({"partition": "a", "b": 1}),
        )
        .await
        .is(422);
    world
        .post(&admin, "/api/v1/partitions", &json!({}))
        .await
        .is(422);
    world.end().await;
}

#[tokio::test]
async fn a_backend_creates_what_its_scopes_allow() {
    let world = World::start().await;
    let backend = world
        .auth
        .service(A, "actor:* action:* partition:invoices partitions:create");
    let post = |name: &str| {
        let body = json!({"partition": name});
        let (world, backend) = (&world, &backend);
        async move { world.post(backend, "/api/v1/partitions", &body).await }
    };
    post("invoices").await.is(201);
    post("salaries").await.places(&["/partition"]);
    let body = json!({"partition": "x"});
    for somebody in [
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
        world.auth.user(A, "viewer"),
    ] {
        world
            .post(&somebody, "/api/v1/partitions", &body)
            .await
            .refused(403, "forbidden");
    }
    world.end().await;
}

#[tokio::test]
async fn the_list_shows_heads() {
    let world = World::start().await;
    let (backend, admin) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "admin"),
    );
    world.create_partition(&admin, "invoices").await;
    let receipts = world.fill(&backend, "invoices", 3).await;
    let listed = world.get(&admin, "/api/v1/partitions").await.is(200);
    assert_eq!(listed["tenant"], A.code);
    assert_eq!(listed["origin"], crate::world::ORIGIN);
    let chains = listed["partitions"].as_array().unwrap();
    let names: Vec<_> = chains
        .iter()
        .map(|chain| chain["partition"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["default", "invoices", "system"]);
    assert_eq!(chains[0]["size"], 0);
    assert_eq!(chains[0]["received_at"], json!(null));
    assert_eq!(chains[1]["size"], 3);
    assert_eq!(chains[1]["hash"], receipts[2]["hash"]);
    assert_eq!(chains[1]["received_at"], receipts[2]["received_at"]);
    let viewer = world.auth.user(A, "viewer");
    let listed = world.get(&viewer, "/api/v1/partitions").await.is(200);
    assert_eq!(listed["partitions"].as_array().unwrap().len(), 2);
    world
        .get(&backend, "/api/v1/partitions")
        .await
        .refused(403, "forbidden");
    world.end().await;
}
