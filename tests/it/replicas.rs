//! Two replicas of log-service on one chain, one of them killed in the middle: no fork, no gap, no
//! acknowledged loss, no double.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::system::System;

const WRITERS: usize = 16;
const ENTRIES_EACH: usize = 60;

/// Posts an entry until some replica has acknowledged it, as `docs/retry-safely.md` tells backends
/// to: the same id again after every doubt, at the other replica.
async fn post_until_stored(
    client: &reqwest::Client,
    replicas: &[String],
    key: &str,
    entry: &Value,
    first: usize,
) -> Value {
    for attempt in 0..10_000 {
        let url = format!(
            "{}/api/v1/logs",
            replicas[(first + attempt) % replicas.len()]
        );
        let Ok(response) = client.post(url).bearer_auth(key).json(entry).send().await else {
            continue;
        };
        match response.status() {
            StatusCode::OK | StatusCode::CREATED => {
                if let Ok(receipt) = response.json().await {
                    return receipt;
                }
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {}
            status => panic!("{status}: {}", response.text().await.unwrap()),
        }
    }
    panic!("never stored: {entry}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replica_costs_nothing() {
    let mut system = System::start(2).await;
    let replicas: Arc<[String]> = system.log_urls.clone().into();
    let key: Arc<str> = system.api_key().into();
    let mut writers = tokio::task::JoinSet::new();
    let (done, mut progress) = tokio::sync::mpsc::unbounded_channel();
    for writer in 0..WRITERS {
        let (client, replicas, key) = (
            system.client.clone(),
            Arc::clone(&replicas),
            Arc::clone(&key),
        );
        let done = done.clone();
        writers.spawn(async move {
            let mut receipts = Vec::new();
            for number in 0..ENTRIES_EACH {
                let entry = json!({
                    "id": Uuid::now_v7(), "action": "story.told",
                    "actor": {"type": "user", "id": format!("writer-{writer}"), "name": "A Writer"},
                    "metadata": {"number": number},
                });
                receipts.push(post_until_stored(&client, &replicas, &key, &entry, writer).await);
                done.send(()).unwrap();
            }
            receipts
        });
    }
    drop(done);
    for _ in 0..WRITERS * ENTRIES_EACH / 3 {
        progress.recv().await.unwrap();
    }
    system.kill("log-service", 1).await;
    for _ in 0..WRITERS * ENTRIES_EACH / 3 {
        progress.recv().await.unwrap();
    }
    system.start_again("log-service", 1).await;

    let mut by_seq = BTreeMap::new();
    for receipt in writers.join_all().await.into_iter().flatten() {
        let seq = receipt["seq"].as_u64().unwrap();
        let before = by_seq.insert(seq, receipt);
        assert!(before.is_none(), "seq {seq} was given out twice");
    }
    assert_eq!(by_seq.len(), WRITERS * ENTRIES_EACH);
    assert!(
        by_seq
            .keys()
            .copied()
            .eq(0..(WRITERS * ENTRIES_EACH) as u64),
        "no gap"
    );
    for (before, after) in by_seq.values().zip(by_seq.values().skip(1)) {
        assert_eq!(before["hash"], after["previous"]);
    }
    system.finish().await;
}
