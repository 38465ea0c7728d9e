//! A reader who does not keep up is told what he missed, and nobody else notices him.

use serde_json::json;

use super::client::{Socket, place};
use crate::auth::A;
use crate::world::{EVERYTHING, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_hears_what_he_missed_and_the_others_miss_nothing() {
    const ROUNDS: u64 = 24;
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let address = world.serve(&world.state).await;
    let mut slow = Socket::follow(address, &auditor.token, "?partition=default").await;
    let mut quick = Socket::follow(address, &auditor.token, "?partition=default").await;
    slow.ready().await;
    quick.ready().await;
    // About 1 MiB a round: more than buffers on the way and the mailbox hold.
    let entries: Vec<_> = (0..16)
        .map(|_| json!({"action": "a", "metadata": {"text": "x".repeat(60_000)}}))
        .collect();
    let body = json!({"entries": entries});
    for round in 0..ROUNDS {
        world
            .post(&backend, "/api/v1/logs/bulk", &body)
            .await
            .is(201);
        for (nth, frame) in quick.entries(16).await.iter().enumerate() {
            assert_eq!(place(frame).1, round * 16 + nth as u64);
        }
    }
    let (mut next, mut missed) = (0, 0);
    while next < ROUNDS * 16 {
        let frame = slow.next_but_heartbeats().await;
        if frame["type"] == "lagged" {
            assert_eq!(frame["partition"], "default");
            assert_eq!(frame["from"], next, "{frame}");
            let to = frame["to"].as_u64().unwrap();
            missed += to - next;
            next = to;
        } else {
            assert_eq!(place(&frame).1, next, "{frame}");
            next += 1;
        }
    }
    assert!(missed > 0);
    // And goes on.
    world.fill(&backend, "default", 1).await;
    assert_eq!(place(&slow.entries(1).await[0]).1, ROUNDS * 16);
    world.end().await;
}
