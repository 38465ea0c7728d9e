//! Searching and counting: what the index finds once it has the last entry, for whoever may see it.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::system::System;
use crate::tenants::Tenant;

/// From an entry to its place in the index, on a busy machine.
const INDEXED_WITHIN: Duration = Duration::from_mins(1);

pub(super) async fn find(system: &System, tenant: &Tenant, receipts: &[Value]) {
    let last = receipts.len() - 1;
    let ids = async |role: &str, conditions: &str| -> Vec<Value> {
        let path = format!(
            "{}/api/v1/logs?partition=default&order=asc&limit=1000&wait_for={last}&{conditions}",
            system.url
        );
        let token = &tenant.people[role].token;
        let found = system.send(Method::GET, &path, token, None).await;
        assert_eq!(found.status, StatusCode::OK, "{found:?}");
        assert_eq!(found.body["complete"], true, "{found:?}");
        let entries = found.body["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["id"].clone()).collect()
    };
    let posted: Vec<_> = receipts
        .iter()
        .map(|receipt| receipt["id"].clone())
        .collect();
    let even: Vec<_> = posted.iter().step_by(2).cloned().collect();
    assert_eq!(ids("auditor", "q=%22invoice.approved%22").await, even);
    assert_eq!(ids("viewer", "q=appro*+-door").await, even);
    // A name is a personal part.
    assert_eq!(ids("auditor", "q=ada").await, posted[..1]);
    assert_eq!(ids("viewer", "q=ada").await, posted[..0]);
    assert_eq!(ids("auditor", "metadata.number=7").await, posted[7..8]);
    assert_eq!(
        ids(
            "auditor",
            "target_type=invoice&target_id=4711&severity=warning"
        )
        .await,
        posted[..1]
    );
    count(system, tenant, receipts.len()).await;
}

async fn count(system: &System, tenant: &Tenant, all: usize) {
    let url = format!(
        "{}/api/v1/logs/stats?partition=default&interval=day&time_zone=Europe/Berlin",
        system.url
    );
    let auditor = &tenant.people["auditor"].token;
    let whole = |body: &Value| body["complete"] == true;
    let stats = system
        .until_body(&url, auditor, INDEXED_WITHIN, whole)
        .await;
    assert_eq!(stats["total"], all);
    let actions = json!([
        {"value": "door.opened", "count": all / 2},
        {"value": "invoice.approved", "count": all / 2},
    ]);
    assert_eq!(stats["actions"]["top"], actions);
    let days = stats["histogram"].as_array().unwrap().iter();
    let days: u64 = days.map(|day| day["count"].as_u64().unwrap()).sum();
    assert_eq!(days, all as u64);
}
