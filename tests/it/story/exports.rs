//! Exports: directly, and as a job whose file is downloaded, in part and by link as well, and checked
//! against the receipts by code that shares nothing with the product.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::independent::verify_evidence;
use crate::system::System;
use crate::tenants::Tenant;

/// A job of a few entries, on a busy machine.
const FINISHED_WITHIN: std::time::Duration = std::time::Duration::from_mins(1);

pub(super) async fn export(system: &System, tenant: &Tenant, receipts: &[Value]) {
    direct(system, tenant, receipts).await;
    let job = job(
        system,
        tenant,
        &json!({"format": "csv", "partitions": ["default"]}),
    )
    .await;
    let file = download(system, tenant, &job).await;
    let rows: Vec<_> = file.split("\r\n").collect();
    assert!(rows[0].starts_with("tenant,partition,generation,seq,"));
    // Column names, a row each, and what follows the last line break.
    assert_eq!(rows.len(), receipts.len() + 2);
    for (row, receipt) in rows[1..].iter().zip(receipts) {
        assert!(row.contains(receipt["id"].as_str().unwrap()), "{row}");
    }
    range(system, tenant, &job, &file).await;
    let job = self::job(
        system,
        tenant,
        &json!({"format": "evidence", "partitions": ["default"], "gzip": false}),
    )
    .await;
    let file = download(system, tenant, &job).await;
    let last = verify_evidence(&file);
    assert_eq!(receipts.last().unwrap()["hash"], last);
    assert_eq!(
        job["chains"][0]["hash"], last,
        "the job names the same head"
    );
}

/// By a link whoever has it gets this file and no other, for a minute and without credentials.
pub(super) async fn links(system: &System, tenant: &Tenant, stranger: &Tenant) {
    let auditor = &tenant.people["auditor"].token;
    let csv = job(system, tenant, &json!({"format": "csv"})).await;
    let jsonl = job(system, tenant, &json!({"format": "jsonl"})).await;
    let (one, other) = (
        link(system, auditor, &csv).await,
        link(system, auditor, &jsonl).await,
    );
    let answer = system.client.get(one.clone()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let name = answer.headers()["content-disposition"].to_str().unwrap();
    assert!(name.contains(csv["file_name"].as_str().unwrap()), "{name}");
    let linked = answer.text().await.unwrap();
    assert_eq!(linked, download(system, tenant, &csv).await);

    let lifetime = one.query_pairs().find(|(name, _)| name == "X-Amz-Expires");
    assert_eq!(lifetime.unwrap().1, "60");
    let (mut longer, mut elsewhere) = (one.clone(), one.clone());
    let query = one.query().unwrap().replace("Expires=60", "Expires=600");
    longer.set_query(Some(&query));
    elsewhere.set_path(other.path());
    for changed in [longer, elsewhere] {
        let answer = system.client.get(changed).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
    let asked = format!("{}?link=true", address(system, &csv));
    let theirs = &stranger.people["auditor"].token;
    let answer = system.send(Method::GET, &asked, theirs, None).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");

    assert_eq!(linked_to(system, auditor, &csv).await, 1);
    assert_eq!(linked_to(system, auditor, &jsonl).await, 1);
    is_private(system, &one).await;
}

/// Files in a folder have no links.
pub(super) async fn no_links(system: &System, tenant: &Tenant) {
    let auditor = &tenant.people["auditor"].token;
    let job = job(system, tenant, &json!({"format": "csv"})).await;
    let asked = format!("{}?link=true", address(system, &job));
    let answer = system.send(Method::GET, &asked, auditor, None).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
    assert_eq!(answer.body["code"], "no_links");
}

async fn link(system: &System, token: &str, job: &Value) -> Url {
    let asked = format!("{}?link=true", address(system, job));
    let request = system.client.get(asked).bearer_auth(token);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["expires_in"], 60);
    body["url"].as_str().unwrap().parse().unwrap()
}

/// How many links to the job's file are on the trail.
async fn linked_to(system: &System, token: &str, job: &Value) -> usize {
    let list = format!(
        "{}/api/v1/logs?partition=system&action=export.download&limit=1000",
        system.url
    );
    let listed = system.send(Method::GET, &list, token, None).await;
    let records = listed.body["entries"].as_array().unwrap().iter();
    let links = records.filter(|record| {
        record["targets"][0]["id"] == job["id"] && record["metadata"]["link"] == true
    });
    links.count()
}

/// LocalStack gives an object to everybody who knows its address, so what can be seen here is that
/// nobody but the owner was granted it.
async fn is_private(system: &System, link: &Url) {
    let place = link.path().trim_start_matches('/');
    let (bucket, key) = place.split_once('/').unwrap();
    let objects = system.installation.objects().await;
    let asked = objects.get_object_acl().bucket(bucket).key(key);
    let granted = asked.send().await.unwrap();
    assert!(!granted.grants().is_empty());
    for grant in granted.grants() {
        let group = grant.grantee().and_then(|grantee| grantee.uri());
        assert_eq!(group, None, "{grant:?}");
    }
}

async fn direct(system: &System, tenant: &Tenant, receipts: &[Value]) {
    let auditor = &tenant.people["auditor"].token;
    let url = format!(
        "{}/api/v1/logs/export?format=jsonl&partition=default&action=invoice.*",
        system.url
    );
    let answer = system
        .client
        .get(url)
        .bearer_auth(auditor)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let text = answer.text().await.unwrap();
    let seqs: Vec<_> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["seq"]
                .as_u64()
                .unwrap()
        })
        .collect();
    let invoices: Vec<_> = (0..receipts.len() as u64).step_by(2).collect();
    assert_eq!(seqs, invoices);
}

/// Asks for it and waits until it is finished.
async fn job(system: &System, tenant: &Tenant, asked: &Value) -> Value {
    let auditor = &tenant.people["auditor"].token;
    let jobs = format!("{}/api/v1/exports", system.url);
    let made = system.send(Method::POST, &jobs, auditor, Some(asked)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let job = format!("{jobs}/{}", made.body["id"].as_str().unwrap());
    let finished = |body: &Value| body["state"] == "finished";
    system
        .until_body(&job, auditor, FINISHED_WITHIN, finished)
        .await
}

fn address(system: &System, job: &Value) -> String {
    format!(
        "{}/api/v1/exports/{}/download",
        system.url,
        job["id"].as_str().unwrap()
    )
}

async fn download(system: &System, tenant: &Tenant, job: &Value) -> String {
    let auditor = &tenant.people["auditor"].token;
    let request = system.client.get(address(system, job)).bearer_auth(auditor);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let bytes = answer.bytes().await.unwrap();
    assert_eq!(job["result"]["bytes"], bytes.len());
    let digest = <[u8; 32]>::from(Sha256::digest(&bytes));
    let digest = digest.map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(job["result"]["sha256"], digest);
    String::from_utf8(bytes.into()).unwrap()
}

/// A download that broke off goes on where it was.
async fn range(system: &System, tenant: &Tenant, job: &Value, file: &str) {
    let auditor = &tenant.people["auditor"].token;
    let request = system.client.get(address(system, job)).bearer_auth(auditor);
    let answer = request.header("range", "bytes=100-").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(answer.text().await.unwrap(), file[100..]);
}
