//! One story, told to both ways of running: from the first token to entries that were read, and every
//! chain recomputed. Each step goes through the one address that callers know.

mod exports;
mod find;
mod follow;

use ::system::{Servers, Shape, Way};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::system::System;
use crate::tenants::{Tenant, tenants};

#[tokio::test(flavor = "multi_thread")]
async fn in_one_process() {
    told(Way::OneProcess).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_processes() {
    told(Way::Distributed(Shape::WHOLE)).await;
}

async fn told(way: Way) {
    let system = System::start_as(way, &Servers::from_environment().unwrap()).await;
    let operator = system.operator().await;
    let mut tenants = tenants(&system, &operator, &["story", "stranger"]).await;
    let (tenant, stranger) = (tenants.remove(0), tenants.remove(0));
    let entries = append(&system, &tenant).await;
    read(&system, &tenant, &entries).await;
    find::find(&system, &tenant, &entries).await;
    exports::export(&system, &tenant, &entries).await;
    match way {
        Way::OneProcess => exports::no_links(&system, &tenant).await,
        Way::Distributed(_) => exports::links(&system, &tenant, &stranger).await,
    }
    let entries = follow::follow(&system, &tenant, entries).await;
    verify(&system, &tenant, &entries).await;
    system.finish().await;
}

/// One entry, then a bulk; the receipts link up.
async fn append(system: &System, tenant: &Tenant) -> Vec<Value> {
    let logs = format!("{}/api/v1/logs", system.url);
    let entry = json!({
        "action": "invoice.approved", "actor": {"type": "user", "id": "u-17", "name": "Ada"},
        "targets": [{"type": "invoice", "id": "4711"}], "severity": "warning",
        "metadata": {"number": 0},
    });
    let first = system
        .send(Method::POST, &logs, &tenant.api_key, Some(&entry))
        .await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let entries: Vec<_> = (1..50)
        .map(|number| {
            json!({
                "action": if number % 2 == 0 { "invoice.approved" } else { "door.opened" },
                "actor": {"type": "user", "id": format!("u-{}", number % 5)},
                "metadata": {"number": number},
            })
        })
        .collect();
    let bulk = json!({"entries": entries});
    let rest = system
        .send(
            Method::POST,
            &format!("{logs}/bulk"),
            &tenant.api_key,
            Some(&bulk),
        )
        .await;
    assert_eq!(rest.status, StatusCode::CREATED, "{rest:?}");
    let mut receipts = vec![first.body];
    receipts.extend(rest.body["receipts"].as_array().unwrap().clone());
    for pair in receipts.windows(2) {
        assert_eq!(pair[0]["hash"], pair[1]["previous"]);
    }
    receipts
}

/// Whoever may read finds the same entries in the list and one by one.
async fn read(system: &System, tenant: &Tenant, receipts: &[Value]) {
    let auditor = &tenant.people["auditor"].token;
    let path = format!("{}/api/v1/logs", system.url);
    let list = format!("{path}?partition=default&order=asc&limit=1000");
    let listed = system.send(Method::GET, &list, auditor, None).await;
    assert_eq!(listed.status, StatusCode::OK, "{listed:?}");
    let ids = |entries: &Value| -> Vec<String> {
        let entries = entries.as_array().unwrap().iter();
        entries.map(|entry| entry["id"].to_string()).collect()
    };
    let posted: Vec<_> = receipts
        .iter()
        .map(|receipt| receipt["id"].to_string())
        .collect();
    assert_eq!(ids(&listed.body["entries"]), posted);
    let one = format!("{path}/{}", receipts[0]["id"].as_str().unwrap());
    let one = system.send(Method::GET, &one, auditor, None).await;
    assert_eq!(one.body["metadata"]["number"], 0, "{one:?}");
}

/// The service recomputes what an auditor asks for, and comes to the last receipt.
async fn verify(system: &System, tenant: &Tenant, receipts: &[Value]) {
    let auditor = &tenant.people["auditor"].token;
    let url = format!("{}/api/v1/partitions/default/verify", system.url);
    let verified = system.send(Method::GET, &url, auditor, None).await;
    assert_eq!(verified.status, StatusCode::OK, "{verified:?}");
    let whole = json!({
        "partition": "default", "generation": 1, "from": 0, "to": receipts.len(), "size": receipts.len(),
        "hash": receipts.last().unwrap()["hash"], "next": null, "finding": null,
    });
    assert_eq!(verified.body, whole);
}
