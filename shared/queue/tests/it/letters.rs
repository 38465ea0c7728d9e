//! Messages that nobody can work on: they end among the dead letters and are in nobody's way.

use std::time::Duration;

use queue::{Depth, MAX_BODY_BYTES, MAX_RECEIVES};
use sqlx::PgPool;

use crate::contract::both;
use crate::rig::{LEASE, Rig, SECOND};

both!(
    a_message_that_is_never_done_becomes_a_dead_letter,
    a_buried_message_says_why,
    poison_does_not_block_the_others,
    the_longest_message_can_be_buried,
);

async fn a_message_that_is_never_done_becomes_a_dead_letter(rig: Rig) {
    rig.send(&["poison"]).await;
    for receives in 1..=MAX_RECEIVES {
        let message = rig.one(LEASE).await;
        assert_eq!(message.receives, receives);
        // Its last receive may still succeed, so it is no dead letter before that.
        rig.queue.give_back(&message, Duration::ZERO).await.unwrap();
    }
    let none = rig.queue.receive(1, SECOND, LEASE).await.unwrap();
    assert!(none.is_empty(), "{none:?}");
    rig.depth(Depth {
        dead: 1,
        ..Depth::default()
    })
    .await;
    let dead = rig.dead().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].0, "poison");
    rig.close().await;
}

async fn a_buried_message_says_why(rig: Rig) {
    rig.send(&["not json"]).await;
    let message = rig.one(LEASE).await;
    rig.queue
        .bury(&message, "expected value at line 1\0 – ümläut")
        .await
        .unwrap();
    rig.none().await;
    let reason = Some("expected value at line 1  – ümläut".to_owned());
    assert_eq!(rig.dead().await, [("not json".to_owned(), reason)]);
    rig.queue.done(&[message]).await.unwrap();
    rig.close().await;
}

async fn poison_does_not_block_the_others(rig: Rig) {
    rig.send(&["poison", "poison", "poison", "good"]).await;
    let mut good = 0;
    // As many receives as poison can take, and the good one.
    for _ in 0..=3 * MAX_RECEIVES {
        for message in rig.queue.receive(10, Duration::ZERO, LEASE).await.unwrap() {
            if message.body == "good" {
                good += 1;
                rig.queue.done(&[message]).await.unwrap();
            } else {
                rig.queue.give_back(&message, Duration::ZERO).await.unwrap();
            }
        }
    }
    assert_eq!(good, 1);
    rig.depth(Depth {
        dead: 3,
        ..Depth::default()
    })
    .await;
    rig.close().await;
}

async fn the_longest_message_can_be_buried(rig: Rig) {
    let body = "x".repeat(MAX_BODY_BYTES);
    rig.send(&[&body]).await;
    let message = rig.one(LEASE).await;
    rig.queue
        .bury(&message, &"long ".repeat(1_000))
        .await
        .unwrap();
    rig.none().await;
    let dead = rig.dead().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].0.len(), MAX_BODY_BYTES);
    rig.close().await;
}
