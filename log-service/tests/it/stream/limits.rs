//! How many streams there can be, and how long a stranger may stay.

use super::client::Socket;
use crate::auth::{A, A_B};
use crate::world::{EVERYTHING, TENANT_STREAMS, World};

#[tokio::test]
async fn a_tenant_has_so_many_streams_and_another_has_its_own() {
    let world = World::start().await;
    let address = world.serve(&world.state).await;
    let (mine, theirs) = (world.auth.user(A, "viewer"), world.auth.user(A_B, "viewer"));
    let mut open = Vec::new();
    for _ in 0..TENANT_STREAMS {
        open.push(Socket::follow(address, &mine.token, "").await);
    }
    let bearer = format!("Bearer {}", mine.token);
    let headers = [("authorization", bearer.as_str())];
    let refused = Socket::open(address, "/api/v1/logs/stream", &headers).await;
    let refused = refused.err().unwrap();
    assert_eq!(refused.status, 429);
    assert_eq!(refused.problem["code"], "too_many_requests");
    // Also for whoever says who he is later.
    let mut late = Socket::open(address, "/api/v1/logs/stream", &[])
        .await
        .unwrap();
    late.authenticate(&mine.token).await;
    assert_eq!(late.ends().await, (4429, "too_many_requests".to_owned()));
    Socket::follow(address, &theirs.token, "")
        .await
        .ready()
        .await;
    // A place that is left can be taken, as soon as the server has noticed.
    drop(open.pop());
    let taken = async {
        while Socket::open(address, "/api/v1/logs/stream", &headers)
            .await
            .is_err()
        {}
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), taken)
        .await
        .unwrap();
    world.end().await;
}

#[tokio::test]
async fn a_stranger_who_says_nothing_has_to_leave() {
    let world = World::start().await;
    let address = world.serve(&world.state).await;
    let mut silent = Socket::open(address, "/api/v1/logs/stream", &[])
        .await
        .unwrap();
    assert_eq!(
        silent.ends().await,
        (4408, "authentication_timeout".to_owned())
    );
    world.end().await;
}

#[tokio::test]
async fn whoever_follows_is_on_the_trail() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let address = world.serve(&world.state).await;
    for query in [
        "?partition=default&action=a",
        "?partition=default&action=a",
        "",
    ] {
        Socket::follow(address, &auditor.token, query)
            .await
            .ready()
            .await;
    }
    world.fill(&backend, "default", 1).await;
    world.state.write_access_records().await;
    let mut recorded = world.recorded(&auditor, "trail.follow").await;
    recorded.sort_by_key(|entry| entry["metadata"]["count"].as_u64());
    let counts: Vec<_> = recorded
        .iter()
        .map(|entry| &entry["metadata"]["count"])
        .collect();
    assert_eq!(counts, [1, 2]);
    assert_eq!(recorded[1]["metadata"]["filter"]["action"], "a");
    assert_eq!(recorded[1]["targets"][0]["id"], "default");
    assert_eq!(recorded[1]["actor"]["id"], auditor.id.to_string());
    world.end().await;
}
