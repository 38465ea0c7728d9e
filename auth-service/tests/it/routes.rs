//! Every route against every caller that it is not for. A route that is not in the table fails the test.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

use crate::forge::Forge;
use crate::installation::{Installation, PASSWORD, claims};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// Needs no bearer credential.
    Anybody,
    /// Any verified caller.
    Known,
    Admin,
    Operator,
    /// An operator, or the tenant itself.
    OperatorOrTenant,
    /// The internal secret.
    Services,
}

use For::{Admin, Anybody, Known, Operator, OperatorOrTenant, Services};

const ROUTES: [(&str, &str, For); 35] = [
    ("post", "/api/v1/auth/token", Anybody),
    ("post", "/api/v1/auth/refresh", Anybody),
    ("post", "/api/v1/auth/logout", Anybody),
    ("post", "/oauth/token", Anybody),
    ("get", "/.well-known/jwks.json", Anybody),
    ("get", "/.well-known/openid-configuration", Anybody),
    ("post", "/api/v1/users/register", Anybody),
    ("post", "/api/v1/users/invites/accept", Anybody),
    ("get", "/internal/status", Services),
    ("get", "/api/v1/users/me", Known),
    ("post", "/api/v1/users/me/password", Known),
    ("post", "/api/v1/keys/rotate", Operator),
    ("get", "/api/v1/tenants", Operator),
    ("post", "/api/v1/tenants", Operator),
    ("get", "/api/v1/tenants/{code}", OperatorOrTenant),
    ("patch", "/api/v1/tenants/{code}", OperatorOrTenant),
    ("post", "/api/v1/tenants/{code}/admins", Operator),
    ("post", "/api/v1/tenants/{code}/break-glass", Operator),
    ("get", "/api/v1/tenants/{code}/break-glass/{id}", Operator),
    ("get", "/api/v1/users", Admin),
    ("post", "/api/v1/users", Admin),
    ("post", "/api/v1/users/invites", Admin),
    ("get", "/api/v1/users/{id}", Admin),
    ("patch", "/api/v1/users/{id}", Admin),
    ("post", "/api/v1/users/{id}/invites", Admin),
    ("post", "/api/v1/users/{id}/deactivate", Admin),
    ("post", "/api/v1/users/{id}/reactivate", Admin),
    ("get", "/api/v1/service-accounts", Admin),
    ("post", "/api/v1/service-accounts", Admin),
    ("get", "/api/v1/service-accounts/{id}", Admin),
    ("patch", "/api/v1/service-accounts/{id}", Admin),
    ("delete", "/api/v1/service-accounts/{id}", Admin),
    ("get", "/api/v1/service-accounts/{id}/api-keys", Admin),
    ("post", "/api/v1/service-accounts/{id}/api-keys", Admin),
    (
        "delete",
        "/api/v1/service-accounts/{id}/api-keys/{key_id}",
        Admin,
    ),
];

/// A body that is good for the route.
fn body(method: &str, path: &str) -> Option<Value> {
    let body = match (method, path) {
        ("get" | "delete", _) => return None,
        (_, "/api/v1/users/me/password") => {
            json!({"current_password": "wrong password!", "new_password": "a better horse battery"})
        }
        (_, "/api/v1/keys/rotate") => json!({}),
        ("post", "/api/v1/tenants") => json!({"code": "acme-eu", "name": "Acme"}),
        (_, "/api/v1/tenants/{code}/admins") => json!({"username": "carl"}),
        (_, "/api/v1/tenants/{code}/break-glass") => json!({"reason": "ticket 4711"}),
        ("post", "/api/v1/users") => {
            json!({"username": "carl", "roles": ["viewer"], "password": PASSWORD})
        }
        (_, "/api/v1/users/invites") => json!({"username": "carl", "roles": ["viewer"]}),
        _ => json!({"name": "New name"}),
    };
    Some(body)
}

struct Ids {
    user: Uuid,
    account: Uuid,
    key: Uuid,
}

/// What belongs to `demo`, addressed by whoever calls.
fn fill(path: &str, ids: &Ids) -> String {
    let owner = if path.contains("/users/") {
        ids.user
    } else {
        ids.account
    };
    path.replace("{code}", "demo")
        .replace("{key_id}", &ids.key.to_string())
        .replace("{id}", &owner.to_string())
}

async fn call(it: &Installation, method: &str, path: &str, ids: &Ids, token: &str) -> (u16, Value) {
    let verb: Method = method.to_uppercase().parse().unwrap();
    let answer = it
        .replica
        .send(verb, &fill(path, ids), token, body(method, path))
        .await;
    (answer.status.as_u16(), answer.body["code"].clone())
}

async fn belongings(it: &Installation, admin: &str) -> Ids {
    let user = it.user(admin, "ann", &["viewer"]).await;
    let account = it
        .post(
            "/api/v1/service-accounts",
            admin,
            json!({"name": "billing"}),
        )
        .await
        .id();
    let keys = format!("/api/v1/service-accounts/{account}/api-keys");
    let key = it.post(&keys, admin, json!({"name": "first"})).await.id();
    Ids { user, account, key }
}

#[sqlx::test(migrations = false)]
async fn the_table_and_the_description_agree(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let described = it.get("/openapi.json", "").await.ok();
    assert!(described["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut found = BTreeSet::new();
    let (mut ids, mut bodies) = (BTreeSet::new(), BTreeSet::new());
    for (path, operations) in described["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let shown = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{shown} has no summary");
            assert!(operation["tags"][0].is_string(), "{shown} has no tag");
            let answers = operation["responses"].as_object().unwrap();
            assert!(
                answers.keys().any(|status| status.starts_with('2')),
                "{shown}"
            );
            let open = operation["security"] == json!([{}]);
            let public = ROUTES
                .iter()
                .any(|(m, p, who)| m == method && p == path && *who == Anybody);
            assert_eq!(open, public, "{shown}: {}", operation["security"]);
            assert!(open || answers.contains_key("401"), "{shown}");
            // One name for two things would describe one of them wrongly.
            let id = operation["operationId"].to_string();
            assert!(ids.insert(id), "{shown} shares its id");
            let mut contents = operation["requestBody"]["content"]
                .as_object()
                .into_iter()
                .flatten();
            if let Some((_, content)) = contents.next() {
                let schema = content["schema"]["$ref"].to_string();
                assert!(
                    bodies.insert(schema.clone()) || schema.contains("NewAdmin"),
                    "{shown} shares {schema}"
                );
            }
            found.insert(shown);
        }
    }
    let listed: BTreeSet<String> = ROUTES
        .iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    assert_eq!(found, listed);
}

#[sqlx::test(migrations = false)]
async fn forged_tokens_open_nothing(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let (admin, acme) = (it.admin().await, it.tenant("acme").await);
    let ids = belongings(&it, &admin).await;
    let other = claims(&acme)["tenant_id"].as_str().unwrap().to_owned();
    let forge = Forge::open(&it, &admin).await;
    it.get("/api/v1/users", &forge.claiming(&json!({})))
        .await
        .ok();
    let mut forgeries = forge.forgeries(&other);
    forgeries.push(("nothing", String::new()));
    let before = it
        .count("select (select count(*) from auth.users) + (select count(*) from auth.outbox)")
        .await;
    for (method, path, who) in ROUTES.iter().filter(|(_, _, who)| *who != Anybody) {
        for (name, token) in &forgeries {
            let (status, code) = call(&it, method, path, &ids, token).await;
            assert_eq!(status, 401, "{method} {path} {who:?} with {name}: {code}");
        }
    }
    let after = it
        .count("select (select count(*) from auth.users) + (select count(*) from auth.outbox)")
        .await;
    assert_eq!(before, after);
}

#[sqlx::test(migrations = false)]
async fn wrong_roles_open_nothing(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let (admin, operator) = (it.admin().await, it.operator().await);
    let ids = belongings(&it, &admin).await;
    let mut callers = Vec::new();
    for role in ["auditor", "viewer", "writer"] {
        it.user(&admin, role, &[role]).await;
        callers.push((role, it.sign_in("demo", role).await));
    }
    callers.push(("service", it.credentials.service.api_key.clone()));
    callers.push(("admin", admin));
    callers.push(("operator", operator));
    for (method, path, who) in ROUTES {
        for (name, token) in &callers {
            let allowed = match who {
                Anybody | Known => continue,
                Admin => *name == "admin",
                Operator => *name == "operator",
                OperatorOrTenant => ["admin", "operator"].contains(name) || method == "get",
                Services => false,
            };
            if allowed {
                continue;
            }
            let (status, code) = call(&it, method, path, &ids, token).await;
            let expected = if who == Services { 401 } else { 403 };
            assert_eq!(status, expected, "{method} {path} as {name}: {code}");
        }
    }
    // A role that the token claims and the account has not.
    let viewer = it.sign_in("demo", "viewer").await;
    let forge = Forge::open(&it, &viewer).await;
    let lying = forge.claiming(&json!({"roles": ["admin"]}));
    let (status, code) = call(&it, "post", "/api/v1/users", &ids, &lying).await;
    assert_eq!((status, code), (403, json!("forbidden")));
    let lying = forge.claiming(&json!({"roles": ["operator"], "tenant": null, "tenant_id": null}));
    let (status, _) = call(&it, "post", "/api/v1/tenants", &ids, &lying).await;
    assert_eq!(status, 401);
}

#[sqlx::test(migrations = false)]
async fn another_tenants_things_are_not_found(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let (admin, acme) = (it.admin().await, it.tenant("dem").await);
    let ids = belongings(&it, &admin).await;
    for (method, path, who) in ROUTES.iter().filter(|(_, path, _)| path.contains('{')) {
        if !matches!(who, Admin | OperatorOrTenant) {
            continue;
        }
        let (status, code) = call(&it, method, path, &ids, &acme).await;
        assert_eq!((status, code), (404, json!("not_found")), "{method} {path}");
    }
}

#[sqlx::test(migrations = false)]
async fn the_right_caller_gets_in(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let (admin, operator) = (it.admin().await, it.operator().await);
    for (method, path, who) in ROUTES {
        // Fresh belongings, since some routes end them.
        it.execute("update auth.users set username = id::text where username in ('ann', 'carl')")
            .await;
        it.execute("update auth.service_accounts set name = id::text where name <> 'default'")
            .await;
        let token = match who {
            Admin | Known => &admin,
            Operator | OperatorOrTenant => &operator,
            Anybody | Services => continue,
        };
        let ids = belongings(&it, &admin).await;
        let (status, code) = call(&it, method, path, &ids, token).await;
        let refused = [
            json!("wrong_password"),
            json!("break_glass_needed"),
            json!("not_found"),
        ];
        assert!(
            status < 300 || refused.contains(&code),
            "{method} {path}: {status} {code}"
        );
    }
}

#[sqlx::test(migrations = false)]
async fn suspended_and_archived_tenants_are_kept_out(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let (admin, operator) = (it.admin().await, it.operator().await);
    let ids = belongings(&it, &admin).await;
    let key = it.credentials.service.api_key.clone();
    for status in ["suspended", "archived"] {
        it.patch("/api/v1/tenants/demo", &operator, json!({"status": status}))
            .await
            .ok();
        for (method, path, who) in ROUTES
            .iter()
            .filter(|(_, _, who)| matches!(who, Known | Admin | OperatorOrTenant))
        {
            let answer = call(&it, method, path, &ids, &admin).await;
            if status == "archived" && *method == "get" {
                assert_eq!(answer.0, 200, "{method} {path} {who:?}");
            } else {
                assert_eq!(
                    answer,
                    (403, json!(format!("tenant_{status}"))),
                    "{method} {path}"
                );
            }
        }
        let (code, _) = call(&it, "get", "/api/v1/users/me", &ids, &key).await;
        assert_eq!(code, if status == "archived" { 200 } else { 403 });
    }
}
