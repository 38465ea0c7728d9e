//! The first start, and the ones after it.

use auth_service::Credentials;
use axum::http::StatusCode;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::installation::Installation;

#[sqlx::test(migrations = false)]
async fn everybody_in_the_file_gets_in(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let operator = it.operator().await;
    assert_eq!(
        it.get("/api/v1/users/me", &operator).await.ok()["roles"],
        json!(["operator"])
    );
    let admin = it.admin().await;
    let me = it.get("/api/v1/users/me", &admin).await.ok();
    assert_eq!(
        (&me["tenant_code"], &me["roles"]),
        (&json!("demo"), &json!(["admin"]))
    );
    let service = &it.credentials.service;
    for key in [&service.api_key, &service.client_secret] {
        let me = it.get("/api/v1/users/me", key).await.ok();
        assert_eq!(me["id"], json!(service.client_id));
        assert_eq!(me["scope"], "actor:* partition:* action:*");
    }
    it.replica.state.deliver_outbox().await.unwrap();
    let actions = it.receiver.actions("demo");
    assert_eq!(
        actions[..3],
        ["tenant.created", "user.created", "service_account.created"]
    );
}

#[sqlx::test(migrations = false)]
async fn a_second_time_changes_nothing(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    assert!(auth_service::bootstrapped(&it.config).await.unwrap());
    let rows = || {
        it.count("select (select count(*) from auth.users) + (select count(*) from auth.api_keys) + (select count(*) from auth.outbox)")
    };
    let before = rows().await;
    assert!(
        !auth_service::bootstrap(&it.config, &it.credentials)
            .await
            .unwrap()
    );
    let other = Credentials::generate("postgres://elsewhere", "audit.test");
    assert!(auth_service::bootstrap(&it.config, &other).await.is_err());
    assert_eq!(rows().await, before);
    it.admin().await;
}

#[sqlx::test(migrations = false)]
async fn two_at_once_create_one(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    it.execute("drop schema auth cascade").await;
    assert!(!auth_service::bootstrapped(&it.config).await.unwrap());
    let bootstrap = || auth_service::bootstrap(&it.config, &it.credentials);
    let (one, two, three) = tokio::join!(bootstrap(), bootstrap(), bootstrap());
    let created = [one, two, three]
        .into_iter()
        .filter(|done| *done.as_ref().unwrap())
        .count();
    assert_eq!(created, 1);
    assert_eq!(it.count("select count(*) from auth.users").await, 2);
}

#[sqlx::test(migrations = false)]
async fn a_password_changed_since_stays_changed(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let old = &it.credentials.admin.password;
    let body = json!({"current_password": old, "new_password": "a better horse battery"});
    assert_eq!(
        it.post("/api/v1/users/me/password", &admin, body)
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    assert!(
        !auth_service::bootstrap(&it.config, &it.credentials)
            .await
            .unwrap()
    );
    it.login("demo", "admin", old, crate::installation::HOME)
        .await
        .is(401, "invalid_credentials");
}
