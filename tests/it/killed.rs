//! A worker of each kind killed in the middle: another one ends what it was at, and nothing is
//! missing, twice, or other than it should be.

use std::time::Duration;

use ::system::{Servers, Shape, Way};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::system::System;

/// Enough for seconds of work, and more than the ledger counts without the index.
const ENTRIES: u64 = 60_000;
const BULK: u64 = 1_000;
/// A lease of 30 s runs out first, on a busy machine.
const ENDED_WITHIN: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
async fn killed_workers_cost_time() {
    let way = Way::Distributed(Shape::WHOLE);
    let mut system = System::start_as(way, &Servers::from_environment().unwrap()).await;
    indexing(&mut system).await;
    let admin = system.admin().await;
    found_once(&system, &admin).await;
    exporting(&mut system, &admin).await;
    system.finish().await;
}

/// The one indexer-worker that is there is killed while it catches up; another one goes on.
async fn indexing(system: &mut System) {
    system.kill("indexer-worker", 1).await;
    let bulk = format!("{}/api/v1/logs/bulk", system.url);
    let (client, key) = (system.client.clone(), system.api_key().to_owned());
    let appending = tokio::spawn(async move {
        for first in (0..ENTRIES).step_by(usize::try_from(BULK).unwrap()) {
            let entry =
                |number: u64| json!({"action": "chapter.told", "metadata": {"number": number}});
            let entries: Vec<_> = (first..first + BULK).map(entry).collect();
            let post = client.post(&bulk).bearer_auth(&key);
            let answer = post.json(&json!({"entries": entries})).send().await;
            assert_eq!(answer.unwrap().status(), StatusCode::CREATED);
        }
    });
    let mut database = system.database().await;
    let begun = async {
        let mut poll = tokio::time::interval(POLL);
        while written(&mut database).await == 0 {
            poll.tick().await;
        }
    };
    tokio::time::timeout(ENDED_WITHIN, begun).await.unwrap();
    system.kill("indexer-worker", 0).await;
    appending.await.unwrap();
    let middle = written(&mut database).await;
    assert!((1..ENTRIES).contains(&middle), "{middle}");
    system.start_again("indexer-worker", 1).await;
}

/// How many entries the index has acknowledged.
async fn written(database: &mut PgConnection) -> u64 {
    let next: i64 = sqlx::query_scalar(
        "select coalesce(max(next), 0) from ledger.cursors where follower = $1 and partition = 'default'",
    )
    .bind(search::WRITTEN)
    .fetch_one(database)
    .await
    .unwrap();
    next.try_into().unwrap()
}

async fn found_once(system: &System, admin: &str) {
    let logs = format!("{}/api/v1/logs", system.url);
    let stats = format!("{logs}/stats?partition=default&q=told");
    let counted = |body: &Value| body["complete"] == true && body["total"] == ENTRIES;
    system
        .until_body(&stats, admin, ENDED_WITHIN, counted)
        .await;
    let list = format!("{logs}?partition=default&q=told&order=asc&limit=1000");
    let (mut seqs, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = format!("{list}{cursor}");
        let page = system.send(Method::GET, &page, admin, None).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let entries = page.body["entries"].as_array().unwrap().iter();
        seqs.extend(entries.map(|entry| entry["seq"].as_u64().unwrap()));
        let Some(next) = page.body["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seqs.len() as u64, ENTRIES);
    assert!(seqs.into_iter().eq(0..ENTRIES), "each once and in order");
}

/// The export-worker that has the job is killed; the other one makes the file.
async fn exporting(system: &mut System, admin: &str) {
    let jobs = format!("{}/api/v1/exports", system.url);
    let asked = json!({"format": "jsonl", "partitions": ["default"]});
    let made = system.send(Method::POST, &jobs, admin, Some(&asked)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let id = made.body["id"].as_str().unwrap();
    let at_work = at_work(system, id).await;
    system.kill("export-worker", at_work).await;

    let job = format!("{jobs}/{id}");
    let finished = |body: &Value| body["state"] == "finished";
    let done = system.until_body(&job, admin, ENDED_WITHIN, finished).await;
    let mut database = system.database().await;
    let attempt: i32 = sqlx::query_scalar("select attempt from export.jobs where id = $1")
        .bind(id.parse::<Uuid>().unwrap())
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(attempt, 2, "it was killed in the middle");

    let file = bytes(system, &format!("{job}/download"), admin).await;
    assert_eq!(done["result"]["bytes"], file.len());
    assert_eq!(done["result"]["rows"], ENTRIES);
    let digest = <[u8; 32]>::from(Sha256::digest(&file));
    let digest = digest.map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(done["result"]["sha256"], digest);
    let direct = format!(
        "{}/api/v1/logs/export?format=jsonl&partition=default",
        system.url
    );
    assert!(file == bytes(system, &direct, admin).await);
}

/// Which export-worker has begun with the job.
async fn at_work(system: &mut System, id: &str) -> usize {
    let begins = |line: &str| line.contains("an export begins") && line.contains(id);
    let begun = async {
        let mut poll = tokio::time::interval(POLL);
        loop {
            poll.tick().await;
            let mut workers = system.installation.members("export-worker");
            let found = workers.position(|worker| worker.printed().unwrap().lines().any(begins));
            if let Some(found) = found {
                return found;
            }
        }
    };
    tokio::time::timeout(ENDED_WITHIN, begun).await.unwrap()
}

async fn bytes(system: &System, url: &str, token: &str) -> Vec<u8> {
    let request = system.client.get(url).bearer_auth(token);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.bytes().await.unwrap().into()
}
