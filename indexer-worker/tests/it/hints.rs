//! Hints from both queues, and what is no hint.

use std::sync::Arc;

use aws_config::BehaviorVersion;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use queue::Queue;
use serde_json::json;
use uuid::Uuid;

use crate::world::{DEFAULT, Index, Running, World, tenant, variable};

async fn hints_are_followed(index: Index, world: World, queue: Arc<dyn Queue>) {
    let acme = tenant("acme");
    let state = world.hinted(Arc::clone(&world.search), Some(Arc::clone(&queue)));
    // The first sweep finds nothing and the next is far off: from here on it is the hints.
    let worker = Running::start(state);
    world.append(&acme, "swept", 1).await;
    let hint = |partition: &str| json!({"tenant": acme.id, "partition": partition, "more": 1});
    let bad = [
        "no JSON",
        "{}",
        "[]",
        r#"{"tenant":"x","partition":"default"}"#,
    ];
    queue.send(&bad.map(str::to_owned)).await.unwrap();
    for round in 1..=3 {
        world.append(&acme, DEFAULT, 5).await;
        let unknown = json!({"tenant": Uuid::now_v7(), "partition": "nothing"});
        let hints = [hint(DEFAULT), hint(DEFAULT), hint("nothing"), unknown];
        let hints = hints.map(|hint| hint.to_string());
        queue.send(&hints).await.unwrap();
        world.until_visible(&acme, DEFAULT, round * 5).await;
    }
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(100));
    for _ in 0..100 {
        tick.tick().await;
        if queue.depth().await.unwrap().dead == bad.len() as u64 {
            break;
        }
    }
    worker.stop().await;
    let depth = queue.depth().await.unwrap();
    assert_eq!(depth.dead, bad.len() as u64, "{index:?}");
    world.state().catch_up().await.unwrap();
    world.verify(&[&acme]).await;
    world.end(&[&acme]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_of_postgresql() {
    let world = World::new(Index::Embedded).await;
    let mut url = world.url.clone();
    url.query_pairs_mut().append_pair("queue", "index");
    let url = url.to_string().into();
    queue::migrate(&url).await.unwrap();
    let queue = queue::open(&url).await.unwrap();
    hints_are_followed(Index::Embedded, world, queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_of_sqs() {
    let world = World::new(Index::OpenSearch).await;
    let endpoint = variable("LOCALSTACK_URL");
    let config = aws_config::defaults(BehaviorVersion::latest());
    let config = config.endpoint_url(&endpoint).load().await;
    let client = Client::new(&config);
    let name = format!("indexer-test-{}", Uuid::new_v4().simple());
    let dead = client.create_queue().queue_name(format!("{name}-dead"));
    let dead = dead.send().await.unwrap().queue_url.unwrap();
    let arn = client
        .get_queue_attributes()
        .queue_url(&dead)
        .attribute_names(QueueAttributeName::QueueArn);
    let arn = arn.send().await.unwrap().attributes.unwrap();
    let redrive = json!({
        "deadLetterTargetArn": arn[&QueueAttributeName::QueueArn],
        "maxReceiveCount": 5,
    });
    let live = client
        .create_queue()
        .queue_name(&name)
        .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string());
    let live = live.send().await.unwrap().queue_url.unwrap();
    let url = format!("sqs://{name}?endpoint={endpoint}").into();
    let queue = queue::open(&url).await.unwrap();
    hints_are_followed(Index::OpenSearch, world, queue).await;
    for url in [live, dead] {
        client.delete_queue().queue_url(url).send().await.unwrap();
    }
}
