//! Hints to the indexer-workers: after the commit, few, and never in the way of an append.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use service::Shutdown;
use url::Url;

use crate::auth::{A, A_B};
use crate::world::{EVERYTHING, World};

/// A queue in the service's own database.
async fn queue_in(mut database: Url) -> Option<Url> {
    database.query_pairs_mut().append_pair("queue", "index");
    let secret = SecretString::from(database.as_str());
    queue::migrate(&secret).await.unwrap();
    Some(database)
}

/// Everything that was hinted at, as (tenant, partition), in some order.
async fn hinted(url: &Url) -> Vec<(String, String)> {
    let queue = queue::open(&SecretString::from(url.as_str()))
        .await
        .unwrap();
    let mut hints = Vec::new();
    loop {
        let lease = Duration::from_secs(30);
        let messages = queue.receive(10, Duration::ZERO, lease).await.unwrap();
        if messages.is_empty() {
            return hints;
        }
        for message in &messages {
            let hint: Value = serde_json::from_str(&message.body).unwrap();
            let text = |name: &str| hint[name].as_str().unwrap().to_owned();
            hints.push((text("tenant"), text("partition")));
        }
        queue.done(&messages).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_appended_is_hinted_at_once_a_chain() {
    let world = World::hinting(queue_in).await;
    let url = queue_in(world.database.url.clone()).await.unwrap();
    let (a, b) = (
        world.auth.service(A, EVERYTHING),
        world.auth.service(A_B, EVERYTHING),
    );
    let id = uuid::Uuid::now_v7();
    let same = json!({"id": id, "action": "a", "actor": {"type": "user", "id": "u"}});
    let appending = async {
        for _ in 0..20 {
            world.fill(&a, "default", 2).await;
        }
        world.fill(&b, "default", 1).await;
        world.append(&a, &same).await.is(201);
        // Nothing new: nobody is told.
        world.append(&a, &same).await.is(200);
    };
    let never = Shutdown::new();
    tokio::select! {
        () = log_service::run(world.state.clone(), never) => panic!("it ended"),
        () = appending => {}
    }
    // A read is recorded when the service stops, and hinted at as the last thing.
    let auditor = world.auth.user(A, "auditor");
    world.get(&auditor, "/api/v1/logs").await.is(200);
    let stopped = world.stop().await;
    let hints = hinted(&url).await;
    let of = |tenant: uuid::Uuid, partition: &str| {
        let hint = (tenant.to_string(), partition.to_owned());
        hints.iter().filter(|one| **one == hint).count()
    };
    assert!((1..=5).contains(&of(A.id, "default")), "{hints:?}");
    assert!((1..=2).contains(&of(A_B.id, "default")), "{hints:?}");
    assert_eq!(of(A.id, "system"), 1, "{hints:?}");
    stopped.end().await;
}

#[tokio::test]
async fn a_queue_that_is_away_is_in_nobodys_way() {
    // Nobody listens there.
    let nowhere = "postgres://nobody@127.0.0.1:9/nothing?queue=index";
    let world = World::hinting(async |_| Some(nowhere.parse().unwrap())).await;
    let backend = world.auth.service(A, EVERYTHING);
    let appending = async {
        for _ in 0..20 {
            world.fill(&backend, "default", 5).await;
        }
    };
    let never = Shutdown::new();
    tokio::select! {
        () = log_service::run(world.state.clone(), never) => panic!("it ended"),
        () = appending => {}
    }
    assert_eq!(world.end().await, 100);
}
