//! A tenant is moved into a pool and back, by the program as an operator runs it, while entries come: everything is
//! found once all the while. And a pool that is lost is a pool again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::system::{Servers, Shape, Way};
use reqwest::{Method, StatusCode};
use search::FORM;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::system::System;

const BULK: u64 = 20;
const FOUND_WITHIN: Duration = Duration::from_secs(90);
const SHAPE: Shape = Shape {
    log_services: 2,
    indexer_workers: 2,
    export_workers: 0,
};

/// Bulks, one after the other.
struct Appending {
    on: Arc<AtomicBool>,
    /// The number of entries.
    task: JoinHandle<u64>,
}

impl Appending {
    fn start(system: &System) -> Self {
        let on = Arc::new(AtomicBool::new(true));
        let (client, key) = (system.client.clone(), system.api_key().to_owned());
        let url = format!("{}/api/v1/logs/bulk", system.url);
        let entry = json!({"action": "tenant.relocated", "actor": {"type": "user", "id": "u-1"}});
        let bulk = json!({"entries": vec![entry; usize::try_from(BULK).unwrap()]});
        let task = tokio::spawn({
            let on = Arc::clone(&on);
            async move {
                let mut entries = 0;
                while on.load(Ordering::SeqCst) || entries == 0 {
                    let answer = client.post(&url).bearer_auth(&key).json(&bulk).send().await;
                    assert_eq!(answer.unwrap().status(), StatusCode::CREATED);
                    entries += BULK;
                }
                entries
            }
        });
        Self { on, task }
    }

    async fn stop(self) -> u64 {
        self.on.store(false, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

/// The number of entries that came meanwhile.
async fn moved(system: &mut System, tenant: Uuid, placement: &str) -> u64 {
    let appending = Appending::start(system);
    let tenant = tenant.to_string();
    let arguments = ["rebuild", "--tenant", &tenant, "--placement", placement];
    let worker = system.installation.member("indexer-worker", 0);
    let printed = worker.beside(&arguments).await.unwrap();
    assert!(printed.contains("built anew"), "{printed}");
    appending.stop().await
}

/// Everything that was appended is found once, by the index, and counted once.
async fn all_are_found(system: &System, admin: &str, size: u64) {
    let search = format!(
        "{}/api/v1/logs?partition=default&q=relocated&order=asc&limit=100",
        system.url
    );
    let last = format!("{search}&wait_for={}", size - 1);
    let answered = |body: &Value| body["entries"].is_array();
    system
        .until_body(&last, admin, FOUND_WITHIN, answered)
        .await;

    let (mut seqs, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = format!("{search}{cursor}");
        let page = system.send(Method::GET, &page, admin, None).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let entries = page.body["entries"].as_array().unwrap().iter();
        seqs.extend(entries.map(|entry| entry["seq"].as_u64().unwrap()));
        match page.body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seqs, (0..size).collect::<Vec<u64>>());

    let stats = format!(
        "{}/api/v1/logs/stats?partition=default&q=relocated",
        system.url
    );
    let counted = |body: &Value| body["total"] == size && body["complete"] == true;
    system
        .until_body(&stats, admin, FOUND_WITHIN, counted)
        .await;
}

/// The indices that the tenant's alias leads to; none where it is not there.
async fn indices(system: &System, servers: &Servers, tenant: Uuid) -> BTreeSet<String> {
    let name = system.installation.name();
    let alias = format!("{name}-{FORM}-{}", tenant.simple());
    let url = format!("{}/_alias/{alias}", servers.opensearch_url);
    let answer = system.send(Method::GET, &url, "", None).await;
    if answer.status == StatusCode::NOT_FOUND {
        return BTreeSet::new();
    }
    let indices = answer.body.as_object().unwrap();
    indices.keys().cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn into_a_pool_and_back() {
    let servers = Servers::from_environment().unwrap();
    let mut system = System::start_as(Way::Distributed(SHAPE), &servers).await;
    let admin = system.admin().await;
    let mut size = Appending::start(&system).stop().await;
    let tenant = "select tenant from ledger.heads where partition = 'default' and size > 0";
    let mut database = system.database().await;
    let tenant: Uuid = sqlx::query_scalar(tenant)
        .fetch_one(&mut database)
        .await
        .unwrap();
    all_are_found(&system, &admin, size).await;
    let pool = format!("{}-{FORM}-pool-", system.installation.name());

    for placement in ["pooled", "own", "pooled"] {
        size += moved(&mut system, tenant, placement).await;
        all_are_found(&system, &admin, size).await;
        let indices = indices(&system, &servers, tenant).await;
        assert_eq!(indices.len(), 1, "{indices:?}");
        let pooled = indices.iter().all(|index| index.starts_with(&pool));
        assert_eq!(pooled, placement == "pooled", "{indices:?}");
    }

    let lost = indices(&system, &servers, tenant).await;
    let lost = format!("{}/{}", servers.opensearch_url, lost.first().unwrap());
    let answer = system.send(Method::DELETE, &lost, "", None).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    size += Appending::start(&system).stop().await;
    all_are_found(&system, &admin, size).await;
    let indices = indices(&system, &servers, tenant).await;
    assert!(!indices.is_empty(), "it is built anew");
    let pooled = indices.iter().all(|index| index.starts_with(&pool));
    assert!(pooled, "{indices:?}");
    system.finish().await;
}
