//! Changes: so many at once and then slowly, for each principal and for each tenant, so that no tenant fills what all services read.

use axum::http::StatusCode;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::installation::{Answer, Installation};

/// Changes that one principal and one tenant have at once.
const PRINCIPAL: usize = 300;
const TENANT: usize = 600;

async fn rename(it: &Installation, admin: &str, path: &str, name: &str) -> Answer {
    it.patch(path, admin, json!({"name": name})).await
}

/// Until the first refusal; how many went.
async fn exhaust(it: &Installation, admin: &str, path: &str) -> (usize, Answer) {
    let mut done = 0;
    loop {
        let answer = rename(it, admin, path, &format!("Name {done}")).await;
        if answer.status != StatusCode::OK {
            return (done, answer);
        }
        done += 1;
    }
}

#[track_caller]
fn is_limited(answer: &Answer) {
    answer.is(429, "too_many_requests");
    let wait: u64 = answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=4).contains(&wait), "{wait}");
}

#[sqlx::test(migrations = false)]
async fn nobody_changes_without_end(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let operator = it.operator().await;
    let admin = it.admin().await;
    let elsewhere = it.tenant("other").await;
    for name in ["second", "third"] {
        it.user(&admin, name, &["admin"]).await;
    }
    let ann = it.user(&admin, "ann", &["viewer"]).await;
    let path = format!("/api/v1/users/{ann}");
    let (done, refused) = exhaust(&it, &admin, &path).await;
    is_limited(&refused);
    // Three users were made before, and time gives a little back.
    assert!((PRINCIPAL - 3..PRINCIPAL + 20).contains(&done), "{done}");
    let name = it.get(&path, &admin).await.ok()["name"].clone();
    assert_eq!(name, format!("Name {}", done - 1));
    // No password is hashed for a change that is not let in.
    let hashed = it.replica.state.passwords_hashed();
    let body =
        json!({"username": "more", "roles": ["viewer"], "password": crate::installation::PASSWORD});
    is_limited(&it.post("/api/v1/users", &admin, body).await);
    assert_eq!(it.replica.state.passwords_hashed(), hashed);
    // Another admin can still stop him, and reading goes on.
    let second = it.sign_in("demo", "second").await;
    rename(&it, &second, &path, "Ann").await.ok();
    it.get("/api/v1/users", &admin).await.ok();
    // All admins together have an end too; other tenants and operators do not notice.
    let (rest, refused) = exhaust(&it, &second, &path).await;
    is_limited(&refused);
    let third = it.sign_in("demo", "third").await;
    let (last, refused) = exhaust(&it, &third, &path).await;
    is_limited(&refused);
    let all = done + rest + last;
    assert!((TENANT - 10..TENANT + 60).contains(&all), "{all}");
    it.patch(
        "/api/v1/tenants/other",
        &elsewhere,
        json!({"name": "Other"}),
    )
    .await
    .ok();
    it.patch("/api/v1/tenants/demo", &operator, json!({"name": "Demo"}))
        .await
        .ok();
    // Time heals.
    it.execute("update auth.login_delays set until = until - interval '5 seconds'")
        .await;
    rename(&it, &third, &path, "Ann").await.ok();
}

#[sqlx::test(migrations = false)]
async fn whoever_may_not_change_uses_nothing_up(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    it.user(&admin, "ann", &["viewer"]).await;
    let viewer = it.sign_in("demo", "ann").await;
    let counted = "select count(*) from auth.login_delays";
    let before = it.count(counted).await;
    let refused = it.post("/api/v1/users/invites", &viewer, Value::Null).await;
    assert!(refused.status.is_client_error(), "{}", refused.body);
    it.patch("/api/v1/tenants/demo", &viewer, json!({"name": "Mine"}))
        .await
        .is(403, "forbidden");
    assert_eq!(it.count(counted).await, before);
}
