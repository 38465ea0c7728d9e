//! Signing keys: published before they sign, good until the last token is over, the same on every replica.

use auth_service::{Algorithm, Config};
use axum::http::StatusCode;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::installation::{Installation, Replica, part};

async fn kids(replica: &Replica) -> Vec<Value> {
    let set = replica
        .send(axum::http::Method::GET, "/.well-known/jwks.json", "", None)
        .await
        .ok();
    set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].clone())
        .collect()
}

#[sqlx::test(migrations = false)]
async fn a_new_key_is_published_before_it_signs(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let second = Replica::start(&it.config).await;
    let operator = it.operator().await;
    let old = part(&operator, 0)["kid"].clone();
    let rotated = it.post("/api/v1/keys/rotate", &operator, json!({})).await;
    assert_eq!(rotated.status, StatusCode::CREATED, "{}", rotated.body);
    let new = rotated.body["kid"].clone();
    assert_eq!(kids(&it.replica).await, [old.clone(), new.clone()]);
    assert_eq!(part(&it.admin().await, 0)["kid"], old);
    it.post("/api/v1/keys/rotate", &operator, json!({}))
        .await
        .is(409, "rotation_pending");
    // The lead is over; the other replica has read the keys meanwhile.
    it.execute("update auth.signing_keys set signs_from = signs_from - interval '301 seconds'")
        .await;
    second.state.reload_keys().await.unwrap();
    assert_eq!(kids(&second).await, [old, new.clone()]);
    let login = json!({"username": "operator", "password": it.credentials.operator.password});
    let token = second.token(login).await;
    assert_eq!(part(&token, 0)["kid"], new);
    // The first replica has known the key since it was made, and the old key's tokens are still good everywhere.
    it.get("/api/v1/users/me", &token).await.ok();
    second
        .send(axum::http::Method::GET, "/api/v1/users/me", &operator, None)
        .await
        .ok();
}

#[sqlx::test(migrations = false)]
async fn an_old_key_goes_when_no_token_can_be_alive(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let operator = it.operator().await;
    it.post("/api/v1/keys/rotate", &operator, json!({}))
        .await
        .ok();
    it.execute("update auth.signing_keys set signs_from = signs_from - interval '3 hours'")
        .await;
    it.replica.state.reload_keys().await.unwrap();
    assert_eq!(kids(&it.replica).await.len(), 1);
    it.get("/api/v1/users/me", &operator)
        .await
        .is(401, "bad_credential");
    it.operator().await;
}

#[sqlx::test(migrations = false)]
async fn rs256_where_a_gateway_needs_it(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let operator = it.operator().await;
    it.post(
        "/api/v1/keys/rotate",
        &operator,
        json!({"algorithm": "RS256"}),
    )
    .await
    .ok();
    it.execute("update auth.signing_keys set signs_from = now() where signs_from > now()")
        .await;
    it.replica.state.reload_keys().await.unwrap();
    let token = it.admin().await;
    assert_eq!(part(&token, 0)["alg"], "RS256");
    it.get("/api/v1/users/me", &token).await.ok();
    it.get("/api/v1/users/me", &operator).await.ok();
    let set = it.get("/.well-known/jwks.json", "").await.ok();
    assert_eq!(
        (&set["keys"][1]["kty"], &set["keys"][1]["alg"]),
        (&json!("RSA"), &json!("RS256"))
    );
}

#[sqlx::test(migrations = false)]
async fn replicas_that_start_together_make_one_key(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    it.execute("delete from auth.signing_keys").await;
    let (one, two, three) = tokio::join!(
        Replica::start(&it.config),
        Replica::start(&it.config),
        Replica::start(&it.config)
    );
    assert_eq!(it.count("select count(*) from auth.signing_keys").await, 1);
    assert_eq!(kids(&one).await, kids(&two).await);
    assert_eq!(kids(&two).await, kids(&three).await);
}

#[sqlx::test(migrations = false)]
async fn two_rotations_at_once_make_one_key(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let operator = it.operator().await;
    let rotate = || it.post("/api/v1/keys/rotate", &operator, json!({}));
    let (one, two) = tokio::join!(rotate(), rotate());
    let made = [&one, &two]
        .into_iter()
        .filter(|answer| answer.status == StatusCode::CREATED)
        .count();
    assert_eq!(made, 1, "{} {}", one.body, two.body);
}

#[sqlx::test(migrations = false)]
async fn another_secret_opens_no_key(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let other = it.config.secret_file.with_file_name("other");
    std::fs::write(&other, "ab".repeat(32)).unwrap();
    let config = Config {
        secret_file: other,
        signing_algorithm: Algorithm::EdDsa,
        ..it.config.clone()
    };
    assert!(auth_service::State::start(config).await.is_err());
    let admin = it.admin().await;
    it.post("/api/v1/keys/rotate", &admin, json!({}))
        .await
        .is(403, "forbidden");
}

#[sqlx::test(migrations = false)]
async fn discovery_points_at_what_is_there(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let found = it.get("/.well-known/openid-configuration", "").await.ok();
    assert_eq!(found["issuer"], "http://auth.test");
    assert_eq!(found["jwks_uri"], "http://auth.test/.well-known/jwks.json");
    assert_eq!(found["token_endpoint"], "http://auth.test/oauth/token");
}

async fn revoke(it: &Installation, kid: &Value) -> auth_service::Revoked {
    let reason = Some("planted in a chat");
    auth_service::revoke_signing_key(&it.config, kid.as_str().unwrap(), reason)
        .await
        .unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_revoked_key_is_believed_no_more_and_another_signs(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    let second = Replica::start(&it.config).await;
    let elsewhere = it.tenant("other").await;
    let login = json!({"tenant_code": "demo", "username": it.credentials.admin.username, "password": it.credentials.admin.password});
    let tokens = it.replica.tokens(login.clone()).await;
    let admin = tokens["access_token"].as_str().unwrap().to_owned();
    let old = part(&admin, 0)["kid"].clone();
    let me = "/api/v1/users/me";
    it.get(me, &admin).await.ok();
    it.get(me, &it.credentials.service.api_key).await.ok();

    let auth_service::Revoked::Now { successor } = revoke(&it, &old).await else {
        panic!("it was there")
    };
    let successor = json!(successor);
    // Each process hears of it with its next status, which `send` asks for; nothing else is done here.
    it.get(me, &admin).await.is(401, "bad_credential");
    for replica in [&it.replica, &second] {
        assert_eq!(kids(replica).await, std::slice::from_ref(&successor));
        let token = replica.token(login.clone()).await;
        assert_eq!(part(&token, 0)["kid"], successor);
        let again = replica
            .send(axum::http::Method::GET, me, &token, None)
            .await;
        again.ok();
        let refused = replica
            .send(axum::http::Method::GET, me, &admin, None)
            .await;
        refused.is(401, "bad_credential");
        let other = replica.send(axum::http::Method::GET, me, &elsewhere, None);
        other.await.is(401, "bad_credential");
    }
    // API keys and sign-ins go on.
    it.get(me, &it.credentials.service.api_key).await.ok();
    let body = json!({"refresh_token": tokens["refresh_token"]});
    let refreshed = it.post("/api/v1/auth/refresh", "", body).await.ok();
    let token = refreshed["access_token"].as_str().unwrap();
    assert_eq!(part(token, 0)["kid"], successor);

    // Every tenant is told, once; a second revocation does nothing.
    assert_eq!(revoke(&it, &old).await, auth_service::Revoked::Before);
    assert_eq!(kids(&it.replica).await.len(), 1);
    let round = it.replica.state.deliver_outbox().await.unwrap();
    assert_eq!((round.parked, round.waiting), (0, 0));
    for tenant in ["demo", "other"] {
        let mut entries = it.receiver.entries(tenant);
        entries.retain(|entry| entry["action"] == "auth.signing_key.revoked");
        assert_eq!(entries.len(), 1, "{tenant}");
        let target = json!([{"type": "signing_key", "id": old}]);
        assert_eq!(entries[0]["targets"], target);
        assert_eq!(entries[0]["metadata"]["successor"], successor);
        assert_eq!(entries[0]["description"], "planted in a chat");
        assert_eq!(entries[0]["severity"], "critical");
    }
}

#[sqlx::test(migrations = false)]
async fn a_key_that_does_not_sign_yet_or_any_more_can_be_revoked(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    let operator = it.operator().await;
    let first = part(&operator, 0)["kid"].clone();
    let rotated = it.post("/api/v1/keys/rotate", &operator, json!({})).await;
    let pending = rotated.ok()["kid"].clone();
    revoke(&it, &pending).await;
    let kept = kids(&it.replica).await;
    assert!(
        kept.contains(&first) && !kept.contains(&pending),
        "{kept:?}"
    );
    it.get("/api/v1/users/me", &operator).await.ok();
    revoke(&it, &first).await;
    it.get("/api/v1/users/me", &operator)
        .await
        .is(401, "bad_credential");
    let signs = part(&it.operator().await, 0)["kid"].clone();
    assert!(signs != first && signs != pending);
}

#[sqlx::test(migrations = false)]
async fn a_key_that_never_was_is_named_with_those_that_are(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    let kid = kids(&it.replica).await[0].as_str().unwrap().to_owned();
    let refused = auth_service::revoke_signing_key(&it.config, "nonsense", None).await;
    let refused = format!("{:#}", refused.unwrap_err());
    assert!(
        refused.contains("nonsense") && refused.contains(&kid),
        "{refused}"
    );
    assert_eq!(kids(&it.replica).await, [json!(kid)]);
}
