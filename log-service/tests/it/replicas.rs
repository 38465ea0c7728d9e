//! Two processes on one database: one chain, no fork.

use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use crate::auth::A;
use crate::world::{EVERYTHING, World, request, send};

#[tokio::test]
async fn two_replicas_share_a_chain() {
    let world = World::start().await;
    let backend = world.auth.service(A, EVERYTHING);
    let (_, other) = world.replica().await;
    let ids: Vec<_> = (0..60).map(|_| Uuid::now_v7()).collect();
    let post = |id: &Uuid| {
        let body =
            json!({"id": id, "action": "a", "actor": {"type": "user", "id": "u", "name": "n"}})
                .to_string();
        request("POST", &backend, "/api/v1/logs")
            .header("content-type", "application/json")
            .body(body.into())
            .unwrap()
    };
    // Each entry goes to both at once: one of them stores it, the other gives the same receipt.
    let both = ids
        .iter()
        .map(|id| async { tokio::join!(world.send(post(id)), send(&other, post(id))) });
    for (here, there) in join_all(both).await {
        let mut statuses = [here.status.as_u16(), there.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 201], "{here:?} {there:?}");
        assert_eq!(here.json()["hash"], there.json()["hash"]);
    }
    assert_eq!(world.end().await, 60);
}
