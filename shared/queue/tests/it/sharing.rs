//! Several receivers on one queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use queue::Depth;
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::contract::both;
use crate::rig::{LEASE, Rig, SECOND};

both!(receivers_share_without_doubling);

const MESSAGES: usize = 1_000;

async fn receivers_share_without_doubling(rig: Rig) {
    let mut receivers = JoinSet::new();
    for _ in 0..6 {
        let queue = rig.another().await;
        receivers.spawn(async move {
            let mut bodies = Vec::new();
            loop {
                let messages = queue.receive(10, 2 * SECOND, LEASE).await.unwrap();
                if messages.is_empty() {
                    return bodies;
                }
                queue.done(&messages).await.unwrap();
                bodies.extend(messages.into_iter().map(|message| message.body));
            }
        });
    }
    let mut senders = JoinSet::new();
    for sender in 0..4 {
        let queue = Arc::clone(&rig.queue);
        senders.spawn(async move {
            let bodies: Vec<_> = (0..MESSAGES / 4).map(|n| format!("{sender}/{n}")).collect();
            for bodies in bodies.chunks(30) {
                queue.send(bodies).await.unwrap();
            }
        });
    }
    senders.join_all().await;
    let mut counts = BTreeMap::new();
    for body in receivers.join_all().await.into_iter().flatten() {
        *counts.entry(body).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), MESSAGES);
    let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    rig.depth(Depth::default()).await;
    rig.close().await;
}
