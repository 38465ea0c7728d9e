//! Tenants for tests: each with a user of every role, a service account with a key, a partition,
//! an entry and an export that nobody works on.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::system::System;

pub(crate) struct Tenant {
    pub(crate) code: String,
    /// By role.
    pub(crate) people: BTreeMap<&'static str, Person>,
    pub(crate) service_account: String,
    pub(crate) api_key_id: String,
    pub(crate) api_key: String,
    pub(crate) entry: String,
    pub(crate) export: String,
    /// A name that no other tenant uses.
    pub(crate) partition: String,
}

pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) token: String,
}

impl Tenant {
    /// Everything that must never be seen by another tenant.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        let people = self.people.values().map(|person| person.id.as_str());
        people.chain([
            self.service_account.as_str(),
            &self.api_key_id,
            &self.entry,
            &self.export,
        ])
    }
}

pub(crate) const PASSWORD: &str = "planted-password-9f1c";
/// Stands in a personal part of every tenant's first entry.
pub(crate) const PLANTED_PART: &str = "planted-part-4b2e";

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
        .to_owned()
}

pub(crate) async fn tenants(system: &System, operator: &str, codes: &[&str]) -> Vec<Tenant> {
    let mut tenants = Vec::new();
    for code in codes {
        tenants.push(tenant(system, operator, code).await);
    }
    tenants
}

async fn tenant(system: &System, operator: &str, code: &str) -> Tenant {
    let new = json!({"code": code, "name": code, "admin": {"username": "admin"}});
    let made = system
        .auth_call(Method::POST, "/api/v1/tenants", operator, new)
        .await;
    let acceptance = json!({"token": made["invite"]["token"], "password": PASSWORD});
    system
        .auth_call(Method::POST, "/api/v1/users/invites/accept", "", acceptance)
        .await;
    let admin = system.login(Some(code), "admin", PASSWORD).await;
    let me = system
        .auth_call(Method::GET, "/api/v1/users/me", &admin, Value::Null)
        .await;

    let mut people = BTreeMap::new();
    for role in ["auditor", "viewer", "writer"] {
        let user = json!({"username": role, "roles": [role], "password": PASSWORD});
        let user = system
            .auth_call(Method::POST, "/api/v1/users", &admin, user)
            .await;
        let token = system.login(Some(code), role, PASSWORD).await;
        people.insert(
            role,
            Person {
                id: text(&user["id"]),
                token,
            },
        );
    }
    let account = json!({"name": "backend"});
    let account = system
        .auth_call(Method::POST, "/api/v1/service-accounts", &admin, account)
        .await;
    let service_account = text(&account["id"]);
    let path = format!("/api/v1/service-accounts/{service_account}/api-keys");
    let key = system
        .auth_call(Method::POST, &path, &admin, json!({"name": "first"}))
        .await;

    let logs = &system.log_urls[0];
    let partition = format!("of-{code}");
    let new = json!({"partition": partition});
    let url = format!("{logs}/api/v1/partitions");
    let answer = system.send(Method::POST, &url, &admin, Some(&new)).await;
    assert!(answer.status.is_success(), "{answer:?}");
    let entry = json!({
        "action": "thing.done", "partition": partition, "description": PLANTED_PART,
    });
    let url = format!("{logs}/api/v1/logs");
    let answer = system
        .send(Method::POST, &url, &text(&key["api_key"]), Some(&entry))
        .await;
    assert!(answer.status.is_success(), "{answer:?}");

    let url = format!("{logs}/api/v1/exports");
    let asked = json!({"format": "csv"});
    let export = system.send(Method::POST, &url, &admin, Some(&asked)).await;
    assert!(export.status.is_success(), "{export:?}");

    people.insert(
        "admin",
        Person {
            id: text(&me["id"]),
            token: admin,
        },
    );
    Tenant {
        code: code.to_owned(),
        people,
        service_account,
        api_key_id: text(&key["id"]),
        api_key: text(&key["api_key"]),
        entry: text(&answer.body["id"]),
        export: text(&export.body["id"]),
        partition,
    }
}
