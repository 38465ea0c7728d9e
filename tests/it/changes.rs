//! What an admin changes reaches log-service within seconds, for credentials that are in use.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::system::System;
use crate::tenants::tenants;

/// Posts the entry, again and again, until the answer has this status. Every answer until then is one
/// of the two that `before` and `after` the change are right.
async fn until_posted(
    system: &System,
    key: &str,
    entry: &Value,
    before: StatusCode,
    after: StatusCode,
) -> Value {
    let url = format!("{}/api/v1/logs", system.log_urls[0]);
    let asked = async {
        loop {
            let answer = system.send(Method::POST, &url, key, Some(entry)).await;
            if answer.status == after {
                return answer.body;
            }
            // For up to a second a changed account's old and new tokens are refused alike.
            let known = answer.status == before || answer.status == StatusCode::UNAUTHORIZED;
            assert!(known, "{answer:?}");
        }
    };
    let bound = std::time::Duration::from_secs(20);
    tokio::time::timeout(bound, asked)
        .await
        .expect("the change arrives")
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_scopes_and_settings_are_followed() {
    const CREATED: StatusCode = StatusCode::CREATED;
    const INVALID: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    let system = System::start(1).await;
    let operator = system.operator().await;
    let tenant = tenants(&system, &operator, &["changing"]).await.remove(0);
    let (admin, key) = (&tenant.people["admin"].token, tenant.api_key.as_str());

    let account = format!("/api/v1/service-accounts/{}", tenant.service_account);
    let narrow = json!({"scopes": ["actor:user", "partition:default", "action:invoice"]});
    system
        .auth_call(Method::PATCH, &account, admin, narrow)
        .await;
    let other = json!({"action": "door.opened", "actor": {"type": "user", "id": "u-1"}});
    let refused = until_posted(&system, key, &other, CREATED, INVALID).await;
    assert_eq!(refused["errors"][0]["path"], "/action", "{refused}");
    let allowed = json!({"action": "invoice.paid", "actor": {"type": "user", "id": "u-1"}});
    until_posted(&system, key, &allowed, CREATED, CREATED).await;

    let personal =
        json!({"action": "invoice.paid", "actor": {"type": "user", "id": "ann@example.com"}});
    let refused = until_posted(&system, key, &personal, INVALID, INVALID).await;
    assert_eq!(refused["errors"][0]["path"], "/actor/id", "{refused}");
    let path = format!("/api/v1/tenants/{}", tenant.code);
    let settings = json!({"settings": {"personal_ids": true}});
    system
        .auth_call(Method::PATCH, &path, admin, settings)
        .await;
    until_posted(&system, key, &personal, INVALID, CREATED).await;
    system.finish().await;
}
