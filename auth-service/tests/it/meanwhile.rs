//! What a tenant decides while a password is hashed holds for whoever is let in after that.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, Postgres, Transaction};

use crate::installation::{Answer, Installation, PASSWORD};

const PATIENCE: Duration = Duration::from_secs(20);

/// Sends a request that has to wait for `held`, changes something while it waits, and lets it go on.
async fn meanwhile(
    it: &Installation,
    mut held: Transaction<'static, Postgres>,
    path: &str,
    body: Value,
    change: &'static str,
) -> Answer {
    let answer = it.post(path, "", body);
    let change = async {
        until_somebody_waits(&mut held).await;
        sqlx::query(change).execute(&mut *held).await.unwrap();
        held.commit().await.unwrap();
    };
    tokio::join!(answer, change).0
}

async fn until_somebody_waits(held: &mut PgConnection) {
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        loop {
            ticks.tick().await;
            // Not `pg_stat_activity`: a transaction sees that as it was at its first look, without the
            // connections made since.
            let sql = "select exists (select from pg_locks
                where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)))";
            let waits: bool = sqlx::query_scalar(sql).fetch_one(&mut *held).await.unwrap();
            if waits {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.expect("the request waits for the lock: it looks again after the hash");
}

/// A transaction that holds what `lock` names.
async fn hold(it: &Installation, lock: &'static str) -> Transaction<'static, Postgres> {
    let mut held = it.pool.begin().await.unwrap();
    sqlx::query(lock).execute(&mut *held).await.unwrap();
    held
}

const DEMO: &str = "select from auth.tenants where code = 'demo' for no key update";
const SUSPEND: &str = "update auth.tenants set status = 'suspended' where code = 'demo'";

#[sqlx::test(migrations = false)]
async fn nobody_registers_where_it_was_closed(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let settings = json!({"settings": {"registration": "open"}});
    it.patch("/api/v1/tenants/demo", &admin, settings)
        .await
        .ok();
    for (name, change) in [
        (
            "one",
            "update auth.tenants set registration = 'closed' where code = 'demo'",
        ),
        (
            "two",
            "update auth.tenants set registration = 'open', registration_domains = '{example.org}' where code = 'demo'",
        ),
        (
            "three",
            "update auth.tenants set registration_domains = '{}', status = 'suspended' where code = 'demo'",
        ),
    ] {
        it.execute("update auth.tenants set registration = 'open', registration_domains = '{}' where code = 'demo'").await;
        let body = json!({"tenant_code": "demo", "username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        let held = hold(&it, DEMO).await;
        meanwhile(&it, held, "/api/v1/users/register", body, change)
            .await
            .is(403, "registration_closed");
    }
    let registered = "select count(*) from auth.users where email like '%@example.com'";
    assert_eq!(it.count(registered).await, 0);
}

#[sqlx::test(migrations = false)]
async fn an_approval_that_was_asked_for_meanwhile_is_waited_for(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let settings = json!({"settings": {"registration": "open"}});
    it.patch("/api/v1/tenants/demo", &admin, settings)
        .await
        .ok();
    let body = json!({"tenant_code": "demo", "username": "ann", "email": "ann@example.com", "password": PASSWORD});
    let change = "update auth.tenants set registration = 'approval' where code = 'demo'";
    let held = hold(&it, DEMO).await;
    let answer = meanwhile(&it, held, "/api/v1/users/register", body, change).await;
    assert_eq!(answer.ok()["status"], "pending");
}

#[sqlx::test(migrations = false)]
async fn no_invitation_is_accepted_where_the_tenant_was_suspended(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let body = json!({"username": "ann", "roles": ["viewer"]});
    let invited = it.post("/api/v1/users/invites", &admin, body).await.ok();
    let body = json!({"token": invited["invite"]["token"], "password": PASSWORD});
    let held = hold(&it, DEMO).await;
    let path = "/api/v1/users/invites/accept";
    meanwhile(&it, held, path, body.clone(), SUSPEND)
        .await
        .is(403, "tenant_suspended");
    // The link is not used up.
    it.execute("update auth.tenants set status = 'active' where code = 'demo'")
        .await;
    it.post(path, "", body).await.ok();
}

#[sqlx::test(migrations = false)]
async fn nobody_signs_in_where_the_tenant_was_suspended(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    it.user(&admin, "ann", &["viewer"]).await;
    let body = json!({"tenant_code": "demo", "username": "ann", "password": PASSWORD});
    let ann = "select from auth.users where username = 'ann' for no key update";
    let held = hold(&it, ann).await;
    meanwhile(&it, held, "/api/v1/auth/token", body, SUSPEND)
        .await
        .is(403, "tenant_suspended");
    let told = "select count(*) from auth.outbox where entry like '%auth.login.succeeded%'";
    let before = it.count(told).await;
    assert_eq!(before, 1, "the admin's alone");
}
