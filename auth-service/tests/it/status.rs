//! The status feed: for whoever has the internal secret, whole, and cheap to ask again.

use auth_service::Secret;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, ETAG, IF_NONE_MATCH};
use axum::http::{Request, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::installation::{Answer, HOME, Installation, claims};

async fn status(it: &Installation, secret: &str, etag: Option<&str>) -> Answer {
    let mut request =
        Request::get("/internal/status").header(AUTHORIZATION, format!("Bearer {secret}"));
    if let Some(etag) = etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    it.replica
        .call(request.body(Body::empty()).unwrap(), HOME)
        .await
}

fn secret(it: &Installation) -> String {
    let secret = Secret::read(&it.config.secret_file).unwrap();
    secret.internal().expose_secret().to_owned()
}

#[sqlx::test(migrations = false)]
async fn only_the_internal_secret_opens_it(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let (operator, admin) = (it.operator().await, it.admin().await);
    let close = format!("{}0", secret(&it));
    for wrong in [
        "",
        "nonsense",
        &operator,
        &admin,
        &it.credentials.service.api_key,
        &close,
    ] {
        assert_eq!(
            status(&it, wrong, None).await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    let empty = json!({"tenants": {}, "principals": [], "keys": [], "signing_keys": [], "not_before": {}, "settings": {}});
    assert_eq!(status(&it, &secret(&it), None).await.ok(), empty);
}

#[sqlx::test(migrations = false)]
async fn all_that_is_not_in_order_is_in_it(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let (operator, admin) = (it.operator().await, it.admin().await);
    let demo = claims(&admin)["tenant_id"].as_str().unwrap().to_owned();
    let secret = secret(&it);
    let first = status(&it, &secret, None).await;
    let etag = first.headers[ETAG].to_str().unwrap().to_owned();
    let again = status(&it, &secret, Some(&etag)).await;
    assert_eq!(
        (again.status, again.body),
        (StatusCode::NOT_MODIFIED, Value::Null)
    );

    let ann = it.user(&admin, "ann", &["viewer"]).await;
    it.post(
        &format!("/api/v1/users/{ann}/deactivate"),
        &admin,
        Value::Null,
    )
    .await
    .ok();
    let accounts = "/api/v1/service-accounts";
    let account = it.post(accounts, &admin, json!({"name": "x"})).await.id();
    let keys = format!("{accounts}/{account}/api-keys");
    let key = it.post(&keys, &admin, json!({"name": "x"})).await.id();
    it.delete(&format!("{keys}/{key}"), &admin).await.ok();
    it.patch(
        "/api/v1/tenants/demo",
        &admin,
        json!({"settings": {"personal_ids": true}}),
    )
    .await
    .ok();
    it.patch(
        "/api/v1/tenants/demo",
        &operator,
        json!({"status": "archived"}),
    )
    .await
    .ok();

    let answer = status(&it, &secret, Some(&etag)).await;
    assert_ne!(answer.headers[ETAG], etag);
    let feed = answer.ok();
    assert_eq!(feed["tenants"], json!({&demo: "archived"}));
    assert_eq!(feed["principals"], json!([ann]));
    assert_eq!(feed["keys"], json!([key]));
    assert!(feed["not_before"][ann.to_string()].is_i64());
    assert_eq!(feed["settings"], json!({&demo: {"personal_ids": true}}));
    // What no living token can need is left out again.
    it.execute("update auth.users set deactivated_at = now() - interval '2 days', not_before = now() - interval '2 days' where deactivated_at is not null").await;
    let feed = status(&it, &secret, None).await.ok();
    assert_eq!(
        (&feed["principals"], &feed["not_before"]),
        (&json!([]), &json!({}))
    );
}
