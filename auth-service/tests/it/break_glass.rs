//! What an operator can do in a tenant that has an admin of its own: nothing, until the tenant has been told.

use axum::http::StatusCode;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::installation::{HOME, Installation, PASSWORD};
use crate::receiver::Fault;

const ADMINS: &str = "/api/v1/tenants/acme/admins";
const GLASS: &str = "/api/v1/tenants/acme/break-glass";

#[sqlx::test(migrations = false)]
async fn before_the_first_admin_operators_may_invite(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let operator = it.operator().await;
    it.post(
        "/api/v1/tenants",
        &operator,
        json!({"code": "acme", "name": "Acme"}),
    )
    .await
    .ok();
    let ann = it
        .post(ADMINS, &operator, json!({"username": "ann"}))
        .await
        .ok();
    let mine = it
        .post(ADMINS, &operator, json!({"username": "back-door"}))
        .await
        .ok();
    it.accept(&ann["invite"]["token"]).await;
    // From here on the tenant is its own, and what operators still held is over.
    let body = json!({"token": mine["invite"]["token"], "password": PASSWORD});
    it.post("/api/v1/users/invites/accept", "", body)
        .await
        .is(401, "invalid_invite");
    it.post(ADMINS, &operator, json!({"username": "carl"}))
        .await
        .is(403, "break_glass_needed");
    it.post(ADMINS, &operator, json!({"username": "ann"}))
        .await
        .is(403, "break_glass_needed");
    it.post(
        "/api/v1/users",
        &operator,
        json!({"username": "carl", "roles": ["admin"], "password": PASSWORD}),
    )
    .await
    .is(403, "no_tenant");
    it.login("acme", "ann", PASSWORD, HOME).await.ok();
}

#[sqlx::test(migrations = false)]
async fn told_first_then_good_for_one(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.tenant("acme").await;
    let operator = it.operator().await;
    it.post(GLASS, &operator, json!({"reason": " "}))
        .await
        .is(422, "invalid");
    let asked = it
        .post(GLASS, &operator, json!({"reason": "ticket 4711"}))
        .await;
    assert_eq!(
        (asked.status, &asked.body["status"]),
        (StatusCode::CREATED, &json!("granted"))
    );
    let entry = it.receiver.last("acme", "tenant.break_glass");
    assert_eq!(
        (&entry["description"], &entry["severity"]),
        (&json!("ticket 4711"), &json!("critical"))
    );
    assert_eq!(entry["id"], asked.body["entry_id"]);
    let reset = it
        .post(ADMINS, &operator, json!({"username": "ADMIN"}))
        .await
        .ok();
    it.get("/api/v1/users/me", &admin)
        .await
        .is(401, "credential_revoked");
    it.login("acme", "admin", PASSWORD, HOME)
        .await
        .is(401, "invalid_credentials");
    it.post(ADMINS, &operator, json!({"username": "second"}))
        .await
        .is(403, "break_glass_needed");
    let body = json!({"token": reset["invite"]["token"], "password": "a better horse battery"});
    it.post("/api/v1/users/invites/accept", "", body).await.ok();
    it.login("acme", "admin", "a better horse battery", HOME)
        .await
        .ok();
    let path = format!("{GLASS}/{}", asked.body["id"].as_str().unwrap());
    assert_eq!(it.get(&path, &operator).await.ok()["status"], "used");
    it.replica.state.deliver_outbox().await.unwrap();
    let entry = it.receiver.last("acme", "user.reset");
    assert_eq!(entry["metadata"]["break_glass"], asked.body["id"]);
}

#[sqlx::test(migrations = false)]
async fn no_grant_before_the_entry_has_arrived(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    it.tenant("acme").await;
    let operator = it.operator().await;
    it.replica.state.deliver_outbox().await.unwrap();
    it.receiver.set_down(true);
    let asked = it
        .post(GLASS, &operator, json!({"reason": "ticket 4711"}))
        .await;
    assert_eq!(
        (asked.status, &asked.body["status"]),
        (StatusCode::ACCEPTED, &json!("pending"))
    );
    it.post(ADMINS, &operator, json!({"username": "carl"}))
        .await
        .is(403, "break_glass_needed");
    it.receiver.set_down(false);
    // Taken, but the answer is lost: still no grant.
    it.receiver.fail(&[Fault::After]);
    it.execute("update auth.outbox_leases set retry_at = now()")
        .await;
    it.replica.state.deliver_outbox().await.unwrap();
    it.post(ADMINS, &operator, json!({"username": "carl"}))
        .await
        .is(403, "break_glass_needed");
    it.execute("update auth.outbox_leases set retry_at = now()")
        .await;
    it.replica.state.deliver_outbox().await.unwrap();
    let path = format!("{GLASS}/{}", asked.body["id"].as_str().unwrap());
    assert_eq!(it.get(&path, &operator).await.ok()["status"], "granted");
    it.post(ADMINS, &operator, json!({"username": "carl"}))
        .await
        .ok();
    assert_eq!(
        it.receiver
            .actions("acme")
            .iter()
            .filter(|action| *action == "tenant.break_glass")
            .count(),
        1
    );
}

#[sqlx::test(migrations = false)]
async fn a_refused_entry_grants_nothing_and_time_ends_a_grant(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    it.tenant("acme").await;
    let operator = it.operator().await;
    it.replica.state.deliver_outbox().await.unwrap();
    it.receiver.fail(&[Fault::Refuse]);
    let asked = it
        .post(GLASS, &operator, json!({"reason": "ticket 1"}))
        .await;
    assert_eq!(
        (asked.status, &asked.body["status"]),
        (StatusCode::ACCEPTED, &json!("refused"))
    );
    it.post(ADMINS, &operator, json!({"username": "carl"}))
        .await
        .is(403, "break_glass_needed");
    it.post(GLASS, &operator, json!({"reason": "ticket 2"}))
        .await
        .ok();
    it.execute("update auth.break_glass set expires_at = now() where granted_at is not null")
        .await;
    it.post(ADMINS, &operator, json!({"username": "carl"}))
        .await
        .is(403, "break_glass_needed");
}

#[sqlx::test(migrations = false)]
async fn only_the_operator_who_asked(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.tenant("acme").await;
    let operator = it.operator().await;
    it.post(GLASS, &admin, json!({"reason": "me"}))
        .await
        .is(403, "forbidden");
    it.post(ADMINS, &admin, json!({"username": "me"}))
        .await
        .is(403, "forbidden");
    it.post(
        "/api/v1/tenants/nobody/break-glass",
        &operator,
        json!({"reason": "x"}),
    )
    .await
    .is(404, "not_found");
    it.post(
        "/api/v1/tenants/nobody/admins",
        &operator,
        json!({"username": "xx"}),
    )
    .await
    .is(404, "not_found");
    let granted = it
        .post(GLASS, &operator, json!({"reason": "ticket 4711"}))
        .await
        .ok();
    let demo = format!(
        "/api/v1/tenants/demo/break-glass/{}",
        granted["id"].as_str().unwrap()
    );
    it.get(&demo, &operator).await.is(404, "not_found");
    it.execute("insert into auth.users (id, tenant_id, username, roles, status, password_hash)
        select gen_random_uuid(), null, 'second', '{operator}', 'active', password_hash from auth.users where username = 'operator'").await;
    let login = json!({"username": "second", "password": it.credentials.operator.password});
    let second = it.replica.token(login).await;
    it.post(ADMINS, &second, json!({"username": "carl"}))
        .await
        .is(403, "break_glass_needed");
    let (one, two) = tokio::join!(
        it.post(ADMINS, &operator, json!({"username": "carl"})),
        it.post(ADMINS, &operator, json!({"username": "dora"}))
    );
    let done = [&one, &two]
        .into_iter()
        .filter(|answer| answer.status.is_success())
        .count();
    assert_eq!(done, 1, "{} {}", one.body, two.body);
    assert_ne!(one.body, Value::Null);
}
