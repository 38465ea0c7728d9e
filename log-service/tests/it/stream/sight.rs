//! Nobody sees over a stream what a list would not show: other tenants, `system`, personal parts.

use serde_json::json;

use super::client::Socket;
use crate::auth::{A, A_B};
use crate::world::{EVERYTHING, World};

#[tokio::test]
async fn each_sees_what_he_may() {
    let world = World::start().await;
    let address = world.serve(&world.state).await;
    let (backend, theirs) = (
        world.auth.service(A, EVERYTHING),
        world.auth.service(A_B, EVERYTHING),
    );
    let (auditor, viewer) = (world.auth.user(A, "auditor"), world.auth.user(A, "viewer"));
    let stranger = world.auth.user(A_B, "admin");
    let mut full = Socket::follow(address, &auditor.token, "").await;
    let mut masked = Socket::follow(address, &viewer.token, "").await;
    let mut beside = Socket::follow(address, &stranger.token, "").await;
    for socket in [&mut full, &mut masked, &mut beside] {
        socket.ready().await;
    }
    world.fill(&backend, "default", 1).await;
    world.state.write_access_records().await;
    world.fill(&backend, "default", 1).await;
    world.fill(&theirs, "default", 1).await;

    let (mut system, mut seen) = (0, Vec::new());
    while seen.len() < 2 {
        let frame = full.entries(1).await.remove(0);
        if frame["entry"]["partition"] == "system" {
            system += 1;
        } else {
            seen.push(frame);
        }
    }
    assert!(system > 0);
    assert_eq!(seen[0]["entry"]["context"]["ip"], "192.0.2.7");
    assert_eq!(seen[0]["entry"]["actor"]["name"], "Ann Example");
    for (seq, frame) in masked.entries(2).await.iter().enumerate() {
        let entry = &frame["entry"];
        assert_eq!(
            (&entry["partition"], &entry["seq"]),
            (&json!("default"), &json!(seq))
        );
        assert!(entry.get("context").is_none() && entry["actor"].get("name").is_none());
    }
    // Two tenants' chains of the same name.
    let frame = loop {
        let frame = beside.entries(1).await.remove(0);
        if frame["entry"]["partition"] == "default" {
            break frame;
        }
    };
    assert_eq!(
        (&frame["entry"]["tenant"], &frame["entry"]["seq"]),
        (&json!(A_B.code), &json!(0))
    );
    world.end().await;
}

#[tokio::test]
async fn a_filter_or_a_cursor_opens_nothing() {
    let world = World::start().await;
    let address = world.serve(&world.state).await;
    let backend = world.auth.service(A, EVERYTHING);
    let (auditor, viewer) = (world.auth.user(A, "auditor"), world.auth.user(A, "viewer"));
    world.state.write_access_records().await;
    world.fill(&backend, "default", 1).await;
    world.get(&auditor, "/api/v1/logs").await.is(200);
    world.state.write_access_records().await;
    let mut socket = Socket::follow(address, &auditor.token, "").await;
    let everything = socket.ready().await;
    let mut socket = Socket::follow(address, &auditor.token, "?partition=system").await;
    let system = socket.ready().await;
    let refused = async |token: &str, query: &str| {
        let path = format!("/api/v1/logs/stream?{query}");
        let bearer = format!("Bearer {token}");
        let answer = Socket::open(address, &path, &[("authorization", &bearer)]).await;
        let refusal = answer.err().unwrap();
        (
            refusal.status,
            refusal.problem["code"].as_str().unwrap().to_owned(),
        )
    };
    let forbidden = (403, "forbidden".to_owned());
    for query in [
        "partition=system",
        "ip=192.0.2.7",
        "field=f",
        "metadata.m=x",
        "request_id=r",
        "session_id=s",
        &format!("after={everything}"),
        &format!("partition=system&after={system}"),
    ] {
        assert_eq!(refused(&viewer.token, query).await, forbidden, "{query}");
    }
    // Another tenant's cursor names what is not there, or is ahead of it.
    let stranger = world.auth.user(A_B, "admin");
    let beyond = refused(&stranger.token, &format!("after={everything}")).await;
    assert_eq!(beyond, (422, "invalid".to_owned()));
    world.end().await;
}

#[tokio::test]
async fn words_are_looked_for_where_the_reader_may_look() {
    let world = World::start().await;
    let address = world.serve(&world.state).await;
    let backend = world.auth.service(A, EVERYTHING);
    let (auditor, viewer) = (world.auth.user(A, "auditor"), world.auth.user(A, "viewer"));
    let mut full = Socket::follow(address, &auditor.token, "?q=annabel").await;
    let mut masked = Socket::follow(address, &viewer.token, "?q=annabel").await;
    full.ready().await;
    masked.ready().await;
    for entry in [
        json!({"action": "a", "actor": {"type": "user", "id": "u", "name": "Annabel"}}),
        json!({"action": "a", "labels": {"ship": "Annabel Lee"}}),
        json!({"action": "a"}),
        json!({"action": "b", "labels": {"ship": "annabel"}}),
    ] {
        world.append(&backend, &entry).await.is(201);
    }
    let seqs = async |socket: &mut Socket, count| {
        let frames = socket.entries(count).await;
        let seq = |frame: &serde_json::Value| frame["entry"]["seq"].as_u64().unwrap();
        frames.iter().map(seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(&mut full, 3).await, [0, 1, 3]);
    assert_eq!(seqs(&mut masked, 2).await, [1, 3]);
    world.end().await;
}
