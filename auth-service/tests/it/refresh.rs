//! Refresh tokens: one use each, a short grace for two tabs, and the end of the sign-in when one comes back later.

use axum::http::StatusCode;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::installation::{Answer, Installation, Replica};

async fn refresh(replica: &Replica, token: &Value) -> Answer {
    let body = json!({"refresh_token": token});
    replica
        .send(
            axum::http::Method::POST,
            "/api/v1/auth/refresh",
            "",
            Some(body),
        )
        .await
}

async fn signed_in(it: &Installation) -> Value {
    let login = &it.credentials.admin;
    let body =
        json!({"tenant_code": "demo", "username": login.username, "password": login.password});
    it.replica.tokens(body).await
}

#[sqlx::test(migrations = false)]
async fn each_leads_to_the_next(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let mut tokens = signed_in(&it).await;
    for _ in 0..3 {
        let next = refresh(&it.replica, &tokens["refresh_token"]).await.ok();
        assert_ne!(next["refresh_token"], tokens["refresh_token"]);
        it.get("/api/v1/users/me", next["access_token"].as_str().unwrap())
            .await
            .ok();
        tokens = next;
    }
    assert_eq!(
        it.count("select step::bigint from auth.refresh_families")
            .await,
        3
    );
}

#[sqlx::test(migrations = false)]
async fn two_tabs_on_two_replicas_get_the_same_successor(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    let second = Replica::start(&it.config).await;
    let first = signed_in(&it).await["refresh_token"].clone();
    let (one, two) = tokio::join!(refresh(&it.replica, &first), refresh(&second, &first));
    let (one, two) = (one.ok(), two.ok());
    assert_eq!(one["refresh_token"], two["refresh_token"]);
    refresh(&it.replica, &one["refresh_token"]).await.ok();
}

#[sqlx::test(migrations = false)]
async fn a_stolen_one_ends_the_family(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let first = signed_in(&it).await["refresh_token"].clone();
    let other = signed_in(&it).await["refresh_token"].clone();
    let second = refresh(&it.replica, &first).await.ok()["refresh_token"].clone();
    it.execute("update auth.refresh_families set stepped_at = stepped_at - interval '11 seconds'")
        .await;
    refresh(&it.replica, &first)
        .await
        .is(401, "invalid_refresh_token");
    refresh(&it.replica, &second)
        .await
        .is(401, "invalid_refresh_token");
    refresh(&it.replica, &other).await.ok();
    it.replica.state.deliver_outbox().await.unwrap();
    assert_eq!(
        it.receiver.last("demo", "auth.refresh.reused")["severity"],
        "critical"
    );
}

#[sqlx::test(migrations = false)]
async fn the_grace_is_for_the_last_one_only(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let first = signed_in(&it).await["refresh_token"].clone();
    let second = refresh(&it.replica, &first).await.ok()["refresh_token"].clone();
    let third = refresh(&it.replica, &second).await.ok()["refresh_token"].clone();
    refresh(&it.replica, &first)
        .await
        .is(401, "invalid_refresh_token");
    refresh(&it.replica, &third)
        .await
        .is(401, "invalid_refresh_token");
}

#[sqlx::test(migrations = false)]
async fn a_changed_one_is_nothing_and_harms_nobody(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let token = signed_in(&it).await["refresh_token"].clone();
    let text = token.as_str().unwrap();
    // Within the step, within the MAC.
    for at in [27, 40] {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = json!(String::from_utf8(bytes).unwrap());
        refresh(&it.replica, &changed)
            .await
            .is(401, "invalid_refresh_token");
    }
    refresh(&it.replica, &json!("vtr_nonsense"))
        .await
        .is(401, "invalid_refresh_token");
    refresh(&it.replica, &token).await.ok();
}

#[sqlx::test(migrations = false)]
async fn signing_out_ends_one_or_all(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let (one, two, three) = (
        signed_in(&it).await,
        signed_in(&it).await,
        signed_in(&it).await,
    );
    let logout = |tokens: &Value, everywhere: bool| {
        let body = json!({"refresh_token": tokens["refresh_token"], "everywhere": everywhere});
        let it = &it;
        async move { it.post("/api/v1/auth/logout", "", body).await.status }
    };
    assert_eq!(logout(&one, false).await, StatusCode::NO_CONTENT);
    assert_eq!(logout(&one, false).await, StatusCode::NO_CONTENT);
    refresh(&it.replica, &one["refresh_token"])
        .await
        .is(401, "invalid_refresh_token");
    let access = |tokens: &Value| tokens["access_token"].as_str().unwrap().to_owned();
    it.get("/api/v1/users/me", &access(&two)).await.ok();
    assert_eq!(logout(&two, true).await, StatusCode::NO_CONTENT);
    refresh(&it.replica, &three["refresh_token"])
        .await
        .is(401, "invalid_refresh_token");
    it.get("/api/v1/users/me", &access(&three))
        .await
        .is(401, "credential_revoked");
    let again = signed_in(&it).await;
    it.get("/api/v1/users/me", &access(&again)).await.ok();
}

#[sqlx::test(migrations = false)]
async fn a_family_ends_with_its_time(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let token = signed_in(&it).await["refresh_token"].clone();
    it.execute("update auth.refresh_families set expires_at = now() - interval '1 second'")
        .await;
    refresh(&it.replica, &token)
        .await
        .is(401, "invalid_refresh_token");
}
