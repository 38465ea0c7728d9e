//! Tenants: made, seen, changed, suspended and archived, by whom they may be.

use axum::http::StatusCode;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::installation::{HOME, Installation, PASSWORD};

#[sqlx::test(migrations = false)]
async fn codes_are_checked_and_never_used_again(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let operator = it.operator().await;
    for bad in [
        "",
        "ab",
        "Acme",
        "a--b",
        "acme_eu",
        "0123456789abcdef",
        "system",
        "www",
        "admin",
        "a\0b",
    ] {
        let answer = it
            .post(
                "/api/v1/tenants",
                &operator,
                json!({"code": bad, "name": "x"}),
            )
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
        assert_eq!(answer.body["errors"][0]["path"], "/code");
    }
    let created = it
        .post(
            "/api/v1/tenants",
            &operator,
            json!({"code": "acme", "name": "Acme"}),
        )
        .await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.body["status"], "active");
    it.post(
        "/api/v1/tenants",
        &operator,
        json!({"code": "acme", "name": "Acme"}),
    )
    .await
    .is(409, "code_taken");
    let deleted = sqlx::query("delete from auth.tenants where code = 'acme'")
        .execute(&it.pool)
        .await;
    assert!(deleted.is_err());
    let renamed = sqlx::query("update auth.tenants set code = 'acme2' where code = 'acme'")
        .execute(&it.pool)
        .await;
    assert!(renamed.is_err());
}

#[sqlx::test(migrations = false)]
async fn a_bad_admin_leaves_no_orphan(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let operator = it.operator().await;
    let body =
        json!({"code": "acme", "name": "Acme", "admin": {"username": "a b", "email": "nonsense"}});
    let answer = it.post("/api/v1/tenants", &operator, body).await;
    assert_eq!(answer.body["errors"][0]["path"], "/admin/username");
    assert_eq!(answer.body["errors"][1]["path"], "/admin/email");
    it.get("/api/v1/tenants/acme", &operator)
        .await
        .is(404, "not_found");
}

#[sqlx::test(migrations = false)]
async fn prefixes_of_codes_are_other_tenants(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let codes = ["aaa", "aaa-b", "aaa-b-c"];
    let mut admins = Vec::new();
    for code in codes {
        admins.push(it.tenant(code).await);
    }
    for (own, admin) in codes.iter().zip(&admins) {
        for code in codes {
            let answer = it.get(&format!("/api/v1/tenants/{code}"), admin).await;
            let patched = it
                .patch(
                    &format!("/api/v1/tenants/{code}"),
                    admin,
                    json!({"name": "Mine"}),
                )
                .await;
            if code == *own {
                assert_eq!(answer.ok()["code"], code);
                assert_eq!(patched.ok()["name"], "Mine");
            } else {
                answer.is(404, "not_found");
                patched.is(404, "not_found");
            }
        }
        it.get("/api/v1/tenants", admin).await.is(403, "forbidden");
        it.post(
            "/api/v1/tenants",
            admin,
            json!({"code": "mine", "name": "x"}),
        )
        .await
        .is(403, "forbidden");
    }
    let operator = it.operator().await;
    let page = it.get("/api/v1/tenants?limit=3", &operator).await.ok();
    assert_eq!(page["tenants"].as_array().unwrap().len(), 3);
    let rest = format!("/api/v1/tenants?cursor={}", page["next"].as_str().unwrap());
    let rest = it.get(&rest, &operator).await.ok();
    assert_eq!(
        (
            rest["tenants"].as_array().unwrap().len(),
            rest["next"].is_null()
        ),
        (1, true)
    );
}

#[sqlx::test(migrations = false)]
async fn operators_do_not_decide_who_gets_in(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let (operator, admin) = (it.operator().await, it.admin().await);
    for settings in [
        json!({"registration": "open"}),
        json!({"registration_domains": ["evil.test"]}),
        json!({"personal_ids": true}),
    ] {
        let body = json!({"settings": settings});
        it.patch("/api/v1/tenants/demo", &operator, body.clone())
            .await
            .is(403, "forbidden");
        it.patch("/api/v1/tenants/demo", &admin, body).await.ok();
    }
    it.patch(
        "/api/v1/tenants/demo",
        &admin,
        json!({"status": "suspended"}),
    )
    .await
    .is(403, "forbidden");
    let body =
        json!({"settings": {"access_token_seconds": 5, "registration_domains": ["UP.test"]}});
    let answer = it.patch("/api/v1/tenants/demo", &admin, body).await;
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 2);
}

#[sqlx::test(migrations = false)]
async fn suspended_is_nothing_and_archived_is_no_change(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    let (operator, admin) = (it.operator().await, it.tenant("acme").await);
    let login = json!({"tenant_code": "acme", "username": "admin", "password": PASSWORD});
    let refresh = it.replica.tokens(login).await["refresh_token"].clone();
    for (status, reads) in [("suspended", false), ("archived", true), ("active", true)] {
        it.patch("/api/v1/tenants/acme", &operator, json!({"status": status}))
            .await
            .ok();
        let code = format!("tenant_{status}");
        let read = it.get("/api/v1/users", &admin).await;
        let change = it
            .post(
                "/api/v1/users/invites",
                &admin,
                json!({"username": "jo", "roles": ["viewer"]}),
            )
            .await;
        let login = it.login("acme", "admin", PASSWORD, HOME).await;
        let refreshed = it
            .post(
                "/api/v1/auth/refresh",
                "",
                json!({"refresh_token": refresh}),
            )
            .await;
        if reads {
            read.ok();
        } else {
            read.is(403, &code);
        }
        if status == "active" {
            assert!(
                change.status.is_success()
                    && login.status.is_success()
                    && refreshed.status.is_success()
            );
        } else {
            change.is(403, &code);
            login.is(403, &code);
            refreshed.is(403, &code);
            it.login("acme", "admin", "wrong password!", HOME)
                .await
                .is(401, "invalid_credentials");
        }
    }
    it.replica.state.deliver_outbox().await.unwrap();
    let update = it.receiver.last("acme", "tenant.updated");
    assert_eq!(
        update["changes"][0],
        json!({"field": "status", "old": "archived", "new": "active"})
    );
}
