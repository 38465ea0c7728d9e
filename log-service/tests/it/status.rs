//! What tenants, principals and a silent auth-service change.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use serde_json::json;
use service::status::TenantStatus;
use tokio::time::{advance, pause, resume};

use crate::auth::{A, A_B};
use crate::direct_exports::DIRECT;
use crate::world::{EVERYTHING, World, request};

#[tokio::test]
async fn a_suspended_tenant_can_do_nothing_and_an_archived_one_reads() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let admin = world.auth.user(A, "admin");
    world.fill(&backend, "default", 2).await;
    world
        .publish(|set| set.tenants.insert(A.id, TenantStatus::Suspended))
        .await;
    world
        .append(&backend, &json!({"action": "a"}))
        .await
        .refused(403, "tenant_suspended");
    world
        .get(&auditor, "/api/v1/logs")
        .await
        .refused(403, "tenant_suspended");

    world
        .publish(|set| set.tenants.insert(A.id, TenantStatus::Archived))
        .await;
    world
        .append(&backend, &json!({"action": "a"}))
        .await
        .refused(403, "tenant_archived");
    let body = json!({"partition": "invoices"});
    world
        .post(&admin, "/api/v1/partitions", &body)
        .await
        .refused(403, "tenant_archived");
    world.get(&auditor, "/api/v1/logs").await.is(200);
    // Provable, and the proof is on the trail, which the installation still writes.
    world
        .get(&auditor, "/api/v1/partitions/default/verify")
        .await
        .is(200);
    assert_eq!(world.recorded(&auditor, "trail.verify").await.len(), 1);
    world.append(&world.auth.system(A), &json!({"partition": "system", "action": "tenant.archive", "actor": {"type": "system", "id": "auth-service"}})).await.is(201);

    world.publish(|set| set.tenants.clear()).await;
    world
        .append(&backend, &json!({"action": "a"}))
        .await
        .is(201);
    world.publish(|set| set.principals.insert(backend.id)).await;
    world
        .append(&backend, &json!({"action": "a"}))
        .await
        .refused(401, "credential_revoked");
    world.end().await;
}

#[tokio::test]
async fn appends_outlive_a_silent_auth_service_for_a_minute_and_reads_do_not() {
    let mut world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    world
        .append(&backend, &json!({"action": "a"}))
        .await
        .is(201);
    world.get(&auditor, "/api/v1/logs").await.is(200);
    world.auth.die();
    let step = async |seconds| {
        pause();
        advance(Duration::from_secs(seconds)).await;
        resume();
    };
    step(6).await;
    world
        .append(&backend, &json!({"action": "a"}))
        .await
        .is(201);
    for path in [
        "/api/v1/logs",
        "/api/v1/partitions",
        "/api/v1/partitions/default/verify",
        "/api/v1/partitions/default/evidence",
    ] {
        let answer = world.get(&auditor, path).await;
        answer.refused(503, "status_stale");
        assert!(answer.headers.contains_key("retry-after"));
    }
    let body = json!({"partition": "invoices"});
    let admin = world.auth.user(A, "admin");
    world
        .post(&admin, "/api/v1/partitions", &body)
        .await
        .refused(503, "status_stale");
    assert_eq!(
        world
            .send(
                axum::http::Request::get("/readyz")
                    .body(Body::empty())
                    .unwrap()
            )
            .await
            .status,
        503
    );
    step(50).await;
    world
        .append(&backend, &json!({"action": "a"}))
        .await
        .is(201);
    step(6).await;
    world
        .append(&backend, &json!({"action": "a"}))
        .await
        .refused(503, "status_stale");
    world.end().await;
}

#[tokio::test]
async fn a_tenant_may_take_ids_that_look_personal() {
    let world = World::start().await;
    let backend = world.auth.service(A, EVERYTHING);
    let entry = json!({"action": "a", "actor": {"type": "user", "id": "ann@example.com"}});
    world.append(&backend, &entry).await.places(&["/actor/id"]);
    let takes = service::status::Settings { personal_ids: true };
    world.publish(|set| set.settings.insert(A.id, takes)).await;
    world.append(&backend, &entry).await.is(201);
    let stranger = world.auth.service(A_B, EVERYTHING);
    world.append(&stranger, &entry).await.places(&["/actor/id"]);
    assert_eq!(world.end().await, 1);
}

#[tokio::test]
async fn answers_under_way_end_when_their_reader_is_shut_out() {
    for path in ["/api/v1/partitions/default/evidence", DIRECT] {
        let world = World::start().await;
        let (backend, auditor) = (
            world.auth.service(A, EVERYTHING),
            world.auth.user(A, "auditor"),
        );
        for _ in 0..3 {
            world.fill(&backend, "default", 1_000).await;
        }
        let asked = request("GET", &auditor, path).body(Body::empty()).unwrap();
        let mut body = world.open(asked).await.into_body();
        body.frame().await.unwrap().unwrap();
        world.publish(|set| set.principals.insert(auditor.id)).await;
        let mut failed = false;
        while let Some(frame) = body.frame().await {
            failed |= frame.is_err();
        }
        assert!(
            failed,
            "{path}: an answer that is cut short must not look whole"
        );
        world.end().await;
    }
}
