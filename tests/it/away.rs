//! OpenSearch away for a while, then SQS and S3: what is appended is there all the same and is read from
//! the ledger, whoever operates the system sees what is missing, and what was left is caught up alone.

use std::time::Duration;

use ::system::{Servers, Shape, Way};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::system::System;
use crate::wire::Wire;

/// Hints that were lost are made up for by a sweep every 30 s.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(90);

async fn append(system: &System, action: &str) -> u64 {
    let entry = json!({"action": action, "actor": {"type": "user", "id": "u-1"}});
    let logs = format!("{}/api/v1/logs", system.url);
    let answer = system
        .send(Method::POST, &logs, system.api_key(), Some(&entry))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.body["seq"].as_u64().unwrap()
}

fn actions(body: &Value) -> Vec<&str> {
    let entries = body["entries"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| entry["action"].as_str())
        .collect()
}

/// Waits until the detail of a program's `/readyz`, which operators alone reach, says this of a check.
async fn says(system: &mut System, program: &str, check: &str, status: &str) {
    let url = format!(
        "{}/readyz",
        system.installation.member(program, 0).admin_url
    );
    let named = |body: &Value| {
        let checks = body["checks"].as_array();
        let wanted = json!({"name": check, "status": status});
        checks.is_some_and(|checks| checks.contains(&wanted))
    };
    system.until_body(&url, "", CAUGHT_UP_WITHIN, named).await;
}

async fn services_are_ready(system: &System) {
    for url in &system.log_urls {
        let answer = system
            .send(Method::GET, &format!("{url}/readyz"), "", None)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_index_costs_freshness() {
    let mut servers = Servers::from_environment().unwrap();
    let wire = Wire::to(&servers.opensearch_url).await;
    servers.opensearch_url = wire.url();
    let mut system = System::start_as(Way::Distributed(Shape::WHOLE), &servers).await;
    let admin = system.admin().await;
    let found = |seq: u64, words: &str| {
        format!(
            "{}/api/v1/logs?partition=default&q={words}&wait_for={seq}",
            system.url
        )
    };
    let before = append(&system, "before.the_storm").await;
    let answer = system
        .send(Method::GET, &found(before, "storm"), &admin, None)
        .await;
    assert_eq!(actions(&answer.body), ["before.the_storm"], "{answer:?}");

    wire.cut();
    let during = append(&system, "during.the_storm").await;
    let list = format!("{}/api/v1/logs?partition=default&q=storm", system.url);
    let answer = system.send(Method::GET, &list, &admin, None).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(
        actions(&answer.body),
        ["during.the_storm", "before.the_storm"],
        "the ledger answers: {answer:?}"
    );
    services_are_ready(&system).await;
    let within = CAUGHT_UP_WITHIN;
    system
        .until_metric("log-service", "search_fallbacks_total", within, |count| {
            count > 0
        })
        .await;
    let found = found(during, "during");
    says(&mut system, "indexer-worker", "index", "failing").await;
    says(&mut system, "log-service", "index", "degraded").await;
    system
        .until_metric("indexer-worker", "index_behind_entries", within, |count| {
            count > 0
        })
        .await;

    wire.mend();
    says(&mut system, "indexer-worker", "index", "ok").await;
    says(&mut system, "log-service", "index", "ok").await;
    let searchable = |body: &Value| actions(body) == ["during.the_storm"];
    system
        .until_body(&found, &admin, CAUGHT_UP_WITHIN, searchable)
        .await;
    system
        .until_metric("indexer-worker", "index_behind_entries", within, |count| {
            count == 0
        })
        .await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_queues_and_objects_cost_freshness() {
    let mut servers = Servers::from_environment().unwrap();
    let wire = Wire::to(&servers.localstack_url).await;
    servers.localstack_url = wire.url();
    let mut system = System::start_as(Way::Distributed(Shape::WHOLE), &servers).await;
    let admin = system.admin().await;
    append(&system, "before.the_storm").await;
    for (queue, program) in [("index", "indexer-worker"), ("export", "export-worker")] {
        system.installation.send(queue, "no hint").await.unwrap();
        for metric in ["hints_unreadable_total", "queue_dead_letters_total"] {
            system
                .until_metric(program, metric, CAUGHT_UP_WITHIN, |count| count == 1)
                .await;
        }
    }

    wire.cut();
    let seq = append(&system, "during.the_storm").await;
    let jobs = format!("{}/api/v1/exports", system.url);
    let asked = json!({"format": "jsonl", "partitions": ["default"]});
    let job = system.send(Method::POST, &jobs, &admin, Some(&asked)).await;
    assert_eq!(job.status, StatusCode::CREATED, "{job:?}");
    services_are_ready(&system).await;
    says(&mut system, "export-worker", "store", "failing").await;
    says(&mut system, "indexer-worker", "queue", "failing").await;
    says(&mut system, "log-service", "queue", "degraded").await;
    says(&mut system, "log-service", "store", "degraded").await;
    system
        .until_metric(
            "log-service",
            "hints_failed_total",
            CAUGHT_UP_WITHIN,
            |count| count > 0,
        )
        .await;
    // Nobody was told, and it is found all the same.
    let search = format!(
        "{}/api/v1/logs?partition=default&q=during&wait_for={seq}",
        system.url
    );
    let searchable = |body: &Value| actions(body) == ["during.the_storm"];
    system
        .until_body(&search, &admin, CAUGHT_UP_WITHIN, searchable)
        .await;

    wire.mend();
    says(&mut system, "export-worker", "store", "ok").await;
    says(&mut system, "log-service", "queue", "ok").await;
    says(&mut system, "log-service", "store", "ok").await;
    let job = format!("{jobs}/{}", job.body["id"].as_str().unwrap());
    let finished = |body: &Value| body["state"] == "finished";
    let job = system
        .until_body(&job, &admin, CAUGHT_UP_WITHIN, finished)
        .await;
    assert_eq!(job["result"]["rows"], 2, "{job}");
    system.finish().await;
}
