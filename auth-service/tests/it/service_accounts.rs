//! Service accounts, their keys, and the client credentials grant.

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{Method, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::installation::{Answer, HOME, Installation, claims};

const ACCOUNTS: &str = "/api/v1/service-accounts";

async fn grant(it: &Installation, form: &str, basic: Option<&str>) -> Answer {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("/oauth/token")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(pair) = basic {
        request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)));
    }
    it.replica
        .call(request.body(Body::from(form.to_owned())).unwrap(), HOME)
        .await
}

/// An account with a key: both ids and the key.
async fn account(it: &Installation, admin: &str, body: Value) -> (String, String, String) {
    let account = it.post(ACCOUNTS, admin, body).await.id();
    let keys = format!("{ACCOUNTS}/{account}/api-keys");
    let key = it.post(&keys, admin, json!({"name": "first"})).await.ok();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (account.to_string(), text(&key["id"]), text(&key["api_key"]))
}

#[sqlx::test(migrations = false)]
async fn keys_are_shown_once_and_stored_as_digests(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let (account, _, key) = account(&it, &admin, json!({"name": "billing"})).await;
    assert!(key.starts_with("vtk_") && key.len() == 47, "{key}");
    let listed = it
        .get(&format!("{ACCOUNTS}/{account}/api-keys"), &admin)
        .await
        .ok();
    assert!(!listed.to_string().contains("vtk_"));
    let rows = sqlx::query_scalar::<_, String>("select array_agg(k)::text from auth.api_keys k");
    assert!(!rows.fetch_one(&it.pool).await.unwrap().contains(&key[4..]));
    let me = it.get("/api/v1/users/me", &key).await.ok();
    assert_eq!(
        (&me["kind"], &me["name"]),
        (&json!("service"), &json!("billing"))
    );
    let used = it
        .get(&format!("{ACCOUNTS}/{account}/api-keys"), &admin)
        .await
        .ok();
    assert!(used["api_keys"][0]["last_used_at"].is_string());
}

#[sqlx::test(migrations = false)]
async fn machines_have_one_role_and_known_scopes(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    for (place, body) in [
        ("/role", json!({"name": "x", "role": "admin"})),
        (
            "/scopes/1",
            json!({"name": "x", "scopes": ["actor:*", "everything"]}),
        ),
        (
            "/scopes/0",
            json!({"name": "x", "scopes": ["actor:user partition:x"]}),
        ),
        ("/scopes", json!({"name": "x", "scopes": []})),
        ("/name", json!({"name": "  "})),
    ] {
        let answer = it.post(ACCOUNTS, &admin, body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.body["errors"][0]["path"], place);
    }
    it.post(ACCOUNTS, &admin, json!({"name": "Billing"}))
        .await
        .ok();
    it.post(ACCOUNTS, &admin, json!({"name": "billing"}))
        .await
        .is(409, "name_taken");
}

#[sqlx::test(migrations = false)]
async fn the_grant_takes_the_secret_in_three_ways(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let (id, secret) = (
        it.credentials.service.client_id,
        &it.credentials.service.client_secret,
    );
    let start = "grant_type=client_credentials";
    for (form, basic) in [
        (
            format!("{start}&client_id={id}&client_secret={secret}"),
            None,
        ),
        (format!("{start}&client_secret={secret}"), None),
        (start.to_owned(), Some(format!("{id}:{secret}"))),
    ] {
        let answer = grant(&it, &form, basic.as_deref()).await;
        assert_eq!(answer.headers["cache-control"], "no-store");
        let granted = answer.ok();
        assert_eq!(
            (&granted["token_type"], &granted["expires_in"]),
            (&json!("Bearer"), &json!(900))
        );
        let claims = claims(granted["access_token"].as_str().unwrap());
        assert_eq!(
            (&claims["kind"], &claims["roles"]),
            (&json!("service"), &json!(["writer"]))
        );
        assert!(claims["key"].is_string());
        it.get(
            "/api/v1/users/me",
            granted["access_token"].as_str().unwrap(),
        )
        .await
        .ok();
    }
}

#[sqlx::test(migrations = false)]
async fn the_grant_refuses_in_oauth_form(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let (id, secret) = (
        it.credentials.service.client_id,
        &it.credentials.service.client_secret,
    );
    let start = "grant_type=client_credentials";
    let good = format!("{id}:{secret}");
    let other = format!("{}:{secret}", uuid::Uuid::now_v7());
    for (status, error, form, basic) in [
        (400, "invalid_request", String::new(), None),
        (
            400,
            "unsupported_grant_type",
            "grant_type=password".to_owned(),
            None,
        ),
        (401, "invalid_client", start.to_owned(), None),
        (
            401,
            "invalid_client",
            format!("{start}&client_secret=vtk_nonsense"),
            None,
        ),
        (
            401,
            "invalid_client",
            format!("{start}&client_secret=%00"),
            None,
        ),
        (
            401,
            "invalid_client",
            start.to_owned(),
            Some(other.as_str()),
        ),
        (401, "invalid_client", start.to_owned(), Some("nonsense")),
        (
            400,
            "invalid_request",
            format!("{start}&client_secret={secret}"),
            Some(good.as_str()),
        ),
        (
            400,
            "invalid_request",
            format!("{start}&client_secret=a&client_secret=b"),
            None,
        ),
        (
            400,
            "invalid_scope",
            format!("{start}&client_secret={secret}&scope=partitions:create"),
            None,
        ),
    ] {
        let answer = grant(&it, &form, basic).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["error"]),
            (status, &json!(error)),
            "{form}"
        );
        assert_eq!(answer.headers.contains_key(WWW_AUTHENTICATE), status == 401);
    }
    let json = crate::installation::json_request(Method::POST, "/oauth/token", "", Some(json!({})));
    let answer = it.replica.call(json, HOME).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["error"]),
        (415, &json!("invalid_request"))
    );
    let narrow = format!("{start}&client_secret={secret}&scope=actor:user+partition:billing");
    assert_eq!(
        grant(&it, &narrow, None).await.ok()["scope"],
        "actor:user partition:billing"
    );
}

#[sqlx::test(migrations = false)]
async fn a_revoked_key_is_out_with_its_tokens(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let (account, id, key) = account(&it, &admin, json!({"name": "billing"})).await;
    let keys = format!("{ACCOUNTS}/{account}/api-keys");
    let other = it.post(&keys, &admin, json!({"name": "second"})).await.ok();
    let other = other["api_key"].as_str().unwrap();
    let form = format!("grant_type=client_credentials&client_secret={key}");
    let token = grant(&it, &form, None).await.ok()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    for credential in [&token, &key] {
        it.get("/api/v1/users/me", credential).await.ok();
    }
    let path = format!("{keys}/{id}");
    for _ in 0..2 {
        assert_eq!(
            it.delete(&path, &admin).await.status,
            StatusCode::NO_CONTENT
        );
    }
    for credential in [&token, &key] {
        assert_eq!(
            it.get("/api/v1/users/me", credential).await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(
        grant(&it, &form, None).await.status,
        StatusCode::UNAUTHORIZED
    );
    it.get("/api/v1/users/me", other).await.ok();
    assert_eq!(
        it.delete(&format!("{ACCOUNTS}/{account}"), &admin)
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        it.get("/api/v1/users/me", other).await.status,
        StatusCode::UNAUTHORIZED
    );
    it.post(&keys, &admin, json!({"name": "third"}))
        .await
        .is(409, "deleted");
    it.post(ACCOUNTS, &admin, json!({"name": "billing"}))
        .await
        .ok();
    it.replica.state.deliver_outbox().await.unwrap();
    let actions = it.receiver.actions("demo");
    for action in [
        "api_key.created",
        "api_key.revoked",
        "service_account.deleted",
    ] {
        assert!(actions.iter().any(|known| known == action), "{action}");
    }
}

#[sqlx::test(migrations = false)]
async fn keys_run_out_and_are_bounded(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let (account, _, _) = account(&it, &admin, json!({"name": "billing"})).await;
    let keys = format!("{ACCOUNTS}/{account}/api-keys");
    let past = json!({"name": "x", "expires_at": "2020-01-01T00:00:00Z"});
    it.post(&keys, &admin, past).await.is(422, "invalid");
    let future = json!({"name": "x", "expires_at": "2099-01-01T00:00:00Z"});
    let key = it.post(&keys, &admin, future).await.ok();
    let form = format!(
        "grant_type=client_credentials&client_secret={}",
        key["api_key"].as_str().unwrap()
    );
    sqlx::query(
        "update auth.api_keys set expires_at = now() + interval '100 seconds' where id = $1",
    )
    .bind(key["id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap())
    .execute(&it.pool)
    .await
    .unwrap();
    assert!(
        grant(&it, &form, None).await.ok()["expires_in"]
            .as_i64()
            .unwrap()
            <= 100
    );
    it.execute("update auth.api_keys set expires_at = now() where expires_at is not null")
        .await;
    assert_eq!(
        grant(&it, &form, None).await.status,
        StatusCode::UNAUTHORIZED
    );
    let mut made = tokio::task::JoinSet::new();
    for _ in 0..25 {
        let (replica, keys, admin) = (it.replica.clone(), keys.clone(), admin.clone());
        made.spawn(async move {
            replica
                .send(Method::POST, &keys, &admin, Some(json!({"name": "x"})))
                .await
                .status
        });
    }
    let made = made.join_all().await;
    let created = made
        .iter()
        .filter(|status| **status == StatusCode::CREATED)
        .count();
    assert_eq!(created, 19, "{made:?}");
}

#[sqlx::test(migrations = false)]
async fn a_change_of_scopes_ends_old_tokens(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let (account, _, key) = account(&it, &admin, json!({"name": "billing"})).await;
    let form = format!("grant_type=client_credentials&client_secret={key}");
    let old = grant(&it, &form, None).await.ok()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("{ACCOUNTS}/{account}");
    let body = json!({"scopes": ["actor:user", "partition:billing", "action:invoice"]});
    it.patch(&path, &admin, body).await.ok();
    it.get("/api/v1/users/me", &old)
        .await
        .is(401, "credential_revoked");
    let new = grant(&it, &form, None).await.ok();
    assert_eq!(new["scope"], "actor:user partition:billing action:invoice");
    it.get("/api/v1/users/me", new["access_token"].as_str().unwrap())
        .await
        .ok();
}

#[sqlx::test(migrations = false)]
async fn another_tenants_account_does_not_exist(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let (demo, acme) = (it.admin().await, it.tenant("acme").await);
    let (account, key, _) = account(&it, &demo, json!({"name": "billing"})).await;
    let path = format!("{ACCOUNTS}/{account}");
    it.get(&path, &acme).await.is(404, "not_found");
    it.patch(&path, &acme, json!({"name": "mine"}))
        .await
        .is(404, "not_found");
    it.delete(&path, &acme).await.is(404, "not_found");
    it.get(&format!("{path}/api-keys"), &acme)
        .await
        .is(404, "not_found");
    it.post(&format!("{path}/api-keys"), &acme, json!({"name": "x"}))
        .await
        .is(404, "not_found");
    it.delete(&format!("{path}/api-keys/{key}"), &acme)
        .await
        .is(404, "not_found");
    // Nor does a key under another account of the same tenant.
    let second = it
        .post(ACCOUNTS, &demo, json!({"name": "second"}))
        .await
        .id();
    it.delete(&format!("{ACCOUNTS}/{second}/api-keys/{key}"), &demo)
        .await
        .is(404, "not_found");
    assert!(
        it.get(ACCOUNTS, &acme).await.ok()["service_accounts"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}
