//! Users: made, invited, registered, changed, deactivated, always within one tenant.

use axum::http::StatusCode;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::installation::{HOME, Installation, PASSWORD, claims};

#[sqlx::test(migrations = false)]
async fn names_and_addresses_are_unique_in_a_tenant_only(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    let (demo, acme) = (it.admin().await, it.tenant("acme").await);
    let user = |name: &str, email: &str| json!({"username": name, "email": email, "roles": ["viewer"], "password": PASSWORD});
    for admin in [&demo, &acme] {
        it.post("/api/v1/users", admin, user("Ann", "Ann@example.com"))
            .await
            .ok();
        it.post("/api/v1/users", admin, user("aNN", "other@example.com"))
            .await
            .is(409, "username_taken");
        it.post("/api/v1/users", admin, user("bob", "ann@EXAMPLE.com"))
            .await
            .is(409, "email_taken");
    }
    it.login("demo", "ANN", PASSWORD, HOME).await.ok();
    it.login("acme", "ann@example.com", PASSWORD, HOME)
        .await
        .ok();
}

#[sqlx::test(migrations = false)]
async fn another_tenants_user_does_not_exist(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let (demo, acme) = (it.admin().await, it.tenant("acme").await);
    let ann = it.user(&demo, "ann", &["viewer"]).await;
    let path = format!("/api/v1/users/{ann}");
    it.get(&path, &acme).await.is(404, "not_found");
    it.patch(&path, &acme, json!({"roles": ["admin"]}))
        .await
        .is(404, "not_found");
    for verb in ["deactivate", "reactivate", "invites"] {
        it.post(&format!("{path}/{verb}"), &acme, Value::Null)
            .await
            .is(404, "not_found");
    }
    let listed = it.get("/api/v1/users", &acme).await.ok();
    assert_eq!(listed["users"].as_array().unwrap().len(), 1);
    it.get("/api/v1/users", &it.operator().await)
        .await
        .is(403, "no_tenant");
    assert_eq!(it.get(&path, &demo).await.ok()["roles"], json!(["viewer"]));
}

#[sqlx::test(migrations = false)]
async fn lists_come_in_pages(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    for name in ["ann", "bob", "cyd"] {
        it.user(&admin, name, &["viewer"]).await;
    }
    let mut names = Vec::new();
    let mut path = "/api/v1/users?limit=3".to_owned();
    loop {
        let page = it.get(&path, &admin).await.ok();
        let users = page["users"].as_array().unwrap();
        names.extend(
            users
                .iter()
                .map(|user| user["username"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/users?limit=3&cursor={next}");
    }
    assert_eq!(names, ["admin", "ann", "bob", "cyd"]);
    it.get("/api/v1/users?limit=0", &admin)
        .await
        .is(422, "invalid");
    it.get("/api/v1/users?cursor=x", &admin)
        .await
        .is(422, "invalid");
}

#[sqlx::test(migrations = false)]
async fn an_invitation_is_good_once(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let invited = it
        .post(
            "/api/v1/users/invites",
            &admin,
            json!({"username": "ann", "roles": ["auditor"]}),
        )
        .await
        .ok();
    let first = invited["invite"]["token"].clone();
    assert!(
        invited["invite"]["url"]
            .as_str()
            .unwrap()
            .ends_with(&format!("#{}", first.as_str().unwrap()))
    );
    it.login("demo", "ann", PASSWORD, HOME)
        .await
        .is(401, "invalid_credentials");
    let again = format!(
        "/api/v1/users/{}/invites",
        invited["user"]["id"].as_str().unwrap()
    );
    let second = it.post(&again, &admin, Value::Null).await.ok()["invite"]["token"].clone();
    let accept = |token: &Value, password: &str| {
        let body = json!({"token": token, "password": password});
        let it = &it;
        async move { it.post("/api/v1/users/invites/accept", "", body).await }
    };
    accept(&first, PASSWORD).await.is(401, "invalid_invite");
    accept(&second, "short").await.is(422, "invalid");
    let (one, two) = tokio::join!(accept(&second, PASSWORD), accept(&second, PASSWORD));
    let good = [&one, &two]
        .into_iter()
        .filter(|answer| answer.status == StatusCode::OK)
        .count();
    assert_eq!(good, 1);
    it.sign_in("demo", "ann").await;
    assert_eq!(it.count("select count(*) from auth.invites").await, 0);
    let third = it.post(&again, &admin, Value::Null).await.ok()["invite"]["token"].clone();
    it.execute("update auth.invites set expires_at = now() - interval '1 second'")
        .await;
    accept(&third, PASSWORD).await.is(401, "invalid_invite");
}

#[sqlx::test(migrations = false)]
async fn a_deactivated_user_is_out_at_once(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let ann = it.user(&admin, "ann", &["auditor"]).await;
    let login = json!({"tenant_code": "demo", "username": "ann", "password": PASSWORD});
    let tokens = it.replica.tokens(login.clone()).await;
    let token = tokens["access_token"].as_str().unwrap();
    it.get("/api/v1/users/me", token).await.ok();
    it.post(
        &format!("/api/v1/users/{ann}/deactivate"),
        &admin,
        Value::Null,
    )
    .await
    .ok();
    it.get("/api/v1/users/me", token)
        .await
        .is(401, "credential_revoked");
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    it.post("/api/v1/auth/refresh", "", refresh.clone())
        .await
        .is(401, "invalid_refresh_token");
    it.login("demo", "ann", PASSWORD, HOME)
        .await
        .is(401, "invalid_credentials");
    it.post(
        &format!("/api/v1/users/{ann}/reactivate"),
        &admin,
        Value::Null,
    )
    .await
    .ok();
    it.get("/api/v1/users/me", token)
        .await
        .is(401, "credential_revoked");
    it.post("/api/v1/auth/refresh", "", refresh)
        .await
        .is(401, "invalid_refresh_token");
    let token = it.replica.token(login).await;
    it.get("/api/v1/users/me", &token).await.ok();
}

#[sqlx::test(migrations = false)]
async fn a_change_of_roles_ends_old_tokens(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let ann = it.user(&admin, "ann", &["admin"]).await;
    let login = json!({"tenant_code": "demo", "username": "ann", "password": PASSWORD});
    let tokens = it.replica.tokens(login).await;
    let token = tokens["access_token"].as_str().unwrap();
    it.get("/api/v1/users", token).await.ok();
    it.patch(
        &format!("/api/v1/users/{ann}"),
        &admin,
        json!({"roles": ["viewer"]}),
    )
    .await
    .ok();
    it.get("/api/v1/users", token)
        .await
        .is(401, "credential_revoked");
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    let tokens = it.post("/api/v1/auth/refresh", "", refresh).await.ok();
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(claims(token)["roles"], json!(["viewer"]));
    it.get("/api/v1/users", token).await.is(403, "forbidden");
    it.patch(
        &format!("/api/v1/users/{ann}"),
        &admin,
        json!({"roles": ["operator"]}),
    )
    .await
    .is(422, "invalid");
    it.patch(
        &format!("/api/v1/users/{ann}"),
        &admin,
        json!({"roles": []}),
    )
    .await
    .is(422, "invalid");
}

#[sqlx::test(migrations = false)]
async fn a_tenant_keeps_an_admin(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let me = it.get("/api/v1/users/me", &admin).await.id();
    let deactivate = |id| format!("/api/v1/users/{id}/deactivate");
    it.post(&deactivate(me), &admin, Value::Null)
        .await
        .is(409, "last_admin");
    it.patch(
        &format!("/api/v1/users/{me}"),
        &admin,
        json!({"roles": ["viewer"]}),
    )
    .await
    .is(409, "last_admin");
    let ann = it.user(&admin, "ann", &["admin"]).await;
    let other = it.sign_in("demo", "ann").await;
    let (mine, hers) = (deactivate(me), deactivate(ann));
    let (one, two) = tokio::join!(
        it.post(&hers, &admin, Value::Null),
        it.post(&mine, &other, Value::Null)
    );
    let done = [&one, &two]
        .into_iter()
        .filter(|answer| answer.status.is_success())
        .count();
    assert_eq!(done, 1, "{} {}", one.body, two.body);
    let left = "select count(*) from auth.users where status = 'active' and 'admin' = any(roles)";
    assert_eq!(it.count(left).await, 1);
}

#[sqlx::test(migrations = false)]
async fn registration_is_closed_until_an_admin_opens_it(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let register = |code: &str, name: &str, email: &str| {
        let body =
            json!({"tenant_code": code, "username": name, "email": email, "password": PASSWORD});
        let it = &it;
        async move { it.post("/api/v1/users/register", "", body).await }
    };
    register("demo", "ann", "ann@example.com")
        .await
        .is(403, "registration_closed");
    register("nobody", "ann", "ann@example.com")
        .await
        .is(403, "registration_closed");
    let settings =
        json!({"settings": {"registration": "approval", "registration_domains": ["example.com"]}});
    it.patch("/api/v1/tenants/demo", &admin, settings)
        .await
        .ok();
    register("demo", "eve", "eve@example.com.evil.test")
        .await
        .is(403, "registration_closed");
    let ann = register("demo", "ann", "ann@Example.com").await.ok();
    assert_eq!(
        (&ann["status"], &ann["roles"]),
        (&json!("pending"), &json!(["viewer"]))
    );
    it.login("demo", "ann", PASSWORD, HOME)
        .await
        .is(403, "approval_pending");
    it.login("demo", "ann", "not her password", HOME)
        .await
        .is(401, "invalid_credentials");
    let approve = format!("/api/v1/users/{}/reactivate", ann["id"].as_str().unwrap());
    it.post(&approve, &admin, Value::Null).await.ok();
    it.login("demo", "ann", PASSWORD, HOME).await.ok();
    it.patch(
        "/api/v1/tenants/demo",
        &admin,
        json!({"settings": {"registration": "open"}}),
    )
    .await
    .ok();
    register("demo", "bob", "bob@example.com").await.ok();
    it.login("demo", "bob", PASSWORD, HOME).await.ok();
}

#[sqlx::test(migrations = false)]
async fn passwords_change_with_the_old_one(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    it.user(&admin, "ann", &["viewer"]).await;
    let token = it.sign_in("demo", "ann").await;
    let change = |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        let (it, token) = (&it, &token);
        async move { it.post("/api/v1/users/me/password", token, body).await }
    };
    change("wrong password!", "a better horse battery")
        .await
        .is(403, "wrong_password");
    change(PASSWORD, "ann").await.is(422, "invalid");
    assert_eq!(
        change(PASSWORD, "a better horse battery").await.status,
        StatusCode::NO_CONTENT
    );
    it.get("/api/v1/users/me", &token)
        .await
        .is(401, "credential_revoked");
    it.login("demo", "ann", PASSWORD, HOME)
        .await
        .is(401, "invalid_credentials");
    it.login("demo", "ann", "a better horse battery", HOME)
        .await
        .ok();
    let key = &it.credentials.service.api_key;
    let body = json!({"current_password": "x", "new_password": "a better horse battery"});
    it.post("/api/v1/users/me/password", key, body)
        .await
        .is(403, "forbidden");
}
