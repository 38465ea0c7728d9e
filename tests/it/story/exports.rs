//! Exports: directly, and as a job whose file is downloaded, in part as well, and checked against the
//! receipts by code that shares nothing with the product.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

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
