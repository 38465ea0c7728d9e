//! What is not as it should be is answered with a problem that names the place, and never with 500.

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Method, Request};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::installation::{HOME, Installation};

#[sqlx::test(migrations = false)]
async fn bodies(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(100_000));
    let deep = format!("{{\"name\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    for (status, kind, body) in [
        (415, "text/plain", "{}".as_bytes()),
        (415, "", b"{}"),
        (400, "application/json", b"{"),
        (400, "application/json", b""),
        (400, "application/json", b"{\"name\":\"\xff\"}"),
        (422, "application/json", deep.as_bytes()),
        (413, "application/json", long.as_bytes()),
        (422, "application/json", b"{}"),
        (422, "application/json", b"{\"name\":1}"),
        (422, "application/json", b"{\"name\":\"x\",\"more\":1}"),
        (422, "application/json", b"{\"name\":\"a\\u0000b\"}"),
        (422, "application/json", b"[]"),
    ] {
        let mut request = Request::post("/api/v1/service-accounts")
            .header(AUTHORIZATION, format!("Bearer {admin}"));
        if !kind.is_empty() {
            request = request.header(CONTENT_TYPE, kind);
        }
        let answer = it
            .replica
            .call(request.body(Body::from(body.to_vec())).unwrap(), HOME)
            .await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
        assert_eq!(answer.status, status, "{shown} {}", answer.body);
        assert_eq!(
            answer.headers[CONTENT_TYPE], "application/problem+json",
            "{shown}"
        );
        assert!(
            answer.body["code"].is_string() && answer.body["request_id"].is_string(),
            "{shown}"
        );
        if status == 422 {
            assert!(
                answer.body["errors"][0]["path"].is_string(),
                "{shown} {}",
                answer.body
            );
        }
    }
}

#[sqlx::test(migrations = false)]
async fn places_and_methods(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    for (method, path, status) in [
        (Method::GET, "/api/v1/users/not-a-uuid", 422),
        (Method::GET, "/api/v1/users?limit=many", 422),
        (Method::GET, "/api/v1/users?unknown=1", 422),
        (Method::GET, "/api/v1/users?limit=1&limit=2", 422),
        (Method::GET, "/api/v1/tenants/%00", 422),
        (Method::GET, "/api/v1/nothing", 404),
        (Method::PUT, "/api/v1/users", 405),
        (Method::DELETE, "/api/v1/users", 405),
        (Method::GET, "/oauth/token", 405),
    ] {
        let answer = it.replica.send(method.clone(), path, &admin, None).await;
        assert_eq!(answer.status, status, "{method} {path} {}", answer.body);
        assert_eq!(
            answer.headers[CONTENT_TYPE], "application/problem+json",
            "{method} {path}"
        );
    }
}

#[sqlx::test(migrations = false)]
async fn everything_wrong_is_named_at_once(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let body = json!({"username": "a b", "email": "nonsense", "name": "\u{7}", "roles": [], "password": "short"});
    let answer = it.post("/api/v1/users", &admin, body).await;
    answer.is(422, "invalid");
    let places: Vec<&str> = answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        places,
        ["/username", "/email", "/name", "/roles", "/password"]
    );
}
