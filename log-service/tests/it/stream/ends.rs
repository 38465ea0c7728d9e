//! Every stream ends with a reason: the token's end, the tenant's, the principal's, a silent
//! auth-service's, the service's own.

use serde_json::json;
use service::status::TenantStatus;
use uuid::Uuid;

use super::client::Socket;
use crate::auth::{A, ISSUER, Somebody, now};
use crate::world::{EVERYTHING, World};

/// Somebody of this role whose token is good for so many seconds.
fn for_seconds(world: &World, id: Uuid, role: &str, seconds: i64) -> Somebody {
    let token = world.auth.token(&json!({
        "iss": ISSUER, "aud": ["veritrail-logs"], "sub": id, "kind": "user",
        "tenant_id": A.id, "tenant": A.code, "roles": [role],
        "jti": Uuid::now_v7(), "iat": now(), "exp": now() + seconds,
    }));
    Somebody { id, token }
}

#[tokio::test]
async fn with_the_token_unless_a_new_one_of_the_same_reader_comes() {
    let world = World::start().await;
    let backend = world.auth.service(A, EVERYTHING);
    let address = world.serve(&world.state).await;
    let id = Uuid::now_v7();
    let short = for_seconds(&world, id, "auditor", 2);
    let mut kept = Socket::follow(address, &short.token, "").await;
    let mut left = Socket::follow(address, &short.token, "").await;
    kept.ready().await;
    kept.authenticate(&for_seconds(&world, id, "auditor", 60).token)
        .await;
    let frame = kept.next_but_heartbeats().await;
    assert_eq!(frame["type"], "authenticated");
    assert!(frame["expires_at"].as_i64().unwrap() > now() + 50);
    assert_eq!(left.ends().await, (4401, "token_expired".to_owned()));
    world.fill(&backend, "default", 1).await;
    kept.entries(1).await;

    // Somebody else's, or the same one's who may see less now, or none at all.
    let other = for_seconds(&world, Uuid::now_v7(), "auditor", 60).token;
    let less = for_seconds(&world, id, "viewer", 60).token;
    let nothing = for_seconds(&world, id, "writer", 60).token;
    for (token, code, reason) in [
        (other.as_str(), 4403, "other_caller"),
        (&less, 4403, "other_caller"),
        (&nothing, 4403, "forbidden"),
        ("nonsense", 4401, "bad_credential"),
    ] {
        let mut socket =
            Socket::follow(address, &for_seconds(&world, id, "auditor", 60).token, "").await;
        socket.ready().await;
        socket.authenticate(token).await;
        assert_eq!(socket.ends().await, (code, reason.to_owned()));
    }
    world.end().await;
}

#[tokio::test]
async fn with_what_the_status_feed_says() {
    let mut world = World::start().await;
    let address = world.serve(&world.state).await;
    let (one, two) = (world.auth.user(A, "auditor"), world.auth.user(A, "viewer"));
    let mut disabled = Socket::follow(address, &one.token, "").await;
    let mut suspended = Socket::follow(address, &two.token, "").await;
    world.publish(|set| set.principals.insert(one.id)).await;
    assert_eq!(
        disabled.ends().await,
        (4401, "credential_revoked".to_owned())
    );
    world
        .publish(|set| set.tenants.insert(A.id, TenantStatus::Suspended))
        .await;
    assert_eq!(
        suspended.ends().await,
        (4403, "tenant_suspended".to_owned())
    );
    // What is archived is read still.
    world
        .publish(|set| set.tenants.insert(A.id, TenantStatus::Archived))
        .await;
    let mut archived = Socket::follow(address, &two.token, "").await;
    archived.ready().await;
    world.auth.die();
    assert_eq!(archived.ends().await, (4503, "status_stale".to_owned()));
    world.end().await;
}

#[tokio::test]
async fn with_the_service() {
    let world = World::start().await;
    let address = world.serve(&world.state).await;
    let auditor = world.auth.user(A, "auditor");
    let mut known = Socket::follow(address, &auditor.token, "").await;
    let mut stranger = Socket::open(address, "/api/v1/logs/stream", &[])
        .await
        .unwrap();
    known.ready().await;
    let closing = tokio::spawn({
        let state = world.state.clone();
        async move { log_service::close_streams(&state).await }
    });
    for socket in [&mut known, &mut stranger] {
        assert_eq!(socket.ends().await, (1001, "stopping".to_owned()));
    }
    drop((known, stranger));
    closing.await.unwrap();
    let bearer = format!("Bearer {}", auditor.token);
    let refused = Socket::open(
        address,
        "/api/v1/logs/stream",
        &[("authorization", &bearer)],
    )
    .await;
    let refused = refused.err().unwrap();
    assert_eq!(
        (refused.status, &refused.problem["code"]),
        (503, &json!("stopping"))
    );
    world.end().await;
}
