//! Bodies, queries and paths that do not fit: always a 4xx that names the place.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::{get as on_get, post as on_post};
use serde::Deserialize;
use service::extract::{JSON_LIMIT, Json, Path, Query};
use uuid::Uuid;

use crate::wire::{call, get, post};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Account {
    name: String,
    #[serde(default)]
    keys: Vec<Key>,
    age: Option<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Key {
    id: Uuid,
    #[serde(rename = "a/b~c", default)]
    odd: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Page {
    limit: Option<u16>,
    order: Option<Order>,
    after: Option<Uuid>,
    q: Option<String>,
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Asc,
    Desc,
}

fn router() -> Router {
    Router::new()
        .route("/json", on_post(async |Json(_): Json<Account>| "fine"))
        .route("/query", on_get(async |Query(_): Query<Page>| "fine"))
        .route("/one/{id}", on_get(async |Path(_): Path<Uuid>| "fine"))
        .route("/name/{name}", on_get(async |Path(_): Path<String>| "fine"))
        .route(
            "/two/{name}/{seq}",
            on_get(async |Path(_): Path<(String, u64)>| "fine"),
        )
}

#[tokio::test]
async fn json_that_does_not_fit_is_told_by_pointer() {
    let id = Uuid::nil();
    for (body, path, message) in [
        ("{}".into(), "/name", "is missing"),
        (r#"{"name":"a","x":1}"#.into(), "/x", "is not known here"),
        (
            r#"{"name":"a","name":"b"}"#.into(),
            "/name",
            "is given twice",
        ),
        (
            r#"{"name":1}"#.into(),
            "/name",
            "invalid type: integer `1`, expected a string",
        ),
        (
            r#"{"name":"a","age":300}"#.into(),
            "/age",
            "invalid value: integer `300`, expected u8",
        ),
        (
            "7".into(),
            "",
            "invalid type: integer `7`, expected struct Account",
        ),
        (
            r#"{"name":"a","keys":[{}]}"#.into(),
            "/keys/0/id",
            "is missing",
        ),
        (
            format!(r#"{{"name":"a","keys":[{{"id":"{id}"}},{{"id":"{id}","a/b~c":"x"}}]}}"#),
            "/keys/1/a~1b~0c",
            "invalid type: string \"x\", expected u8",
        ),
        (
            format!(r#"{{"name":"a","keys":[{{"id":"{id}","no":1}}]}}"#),
            "/keys/0/no",
            "is not known here",
        ),
        (r#"{"name":"a\u0000b"}"#.into(), "/name", "contains U+0000"),
    ] as [(String, &str, &str); 10]
    {
        let answer = call(router(), post("/json", "application/json", body.clone())).await;
        let problem = answer.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["path"], path, "{body}");
        assert_eq!(problem["errors"][0]["message"], message, "{body}");
    }
    let answer = call(
        router(),
        post("/json", "application/json", r#"{"name":"\\u0000"}"#),
    )
    .await;
    assert_eq!(answer.text, "fine", "an escaped backslash is no NUL");
    let long = format!(r#"{{"name":"a","age":"{}"}}"#, "x".repeat(10_000));
    let answer = call(router(), post("/json", "application/json", long)).await;
    let problem = answer.problem(422, "invalid");
    assert!(problem["errors"][0]["message"].as_str().unwrap().len() < 300);
}

#[tokio::test]
async fn what_is_not_json_is_told_by_line_and_column() {
    for (body, detail) in [
        (&b""[..], "not JSON at line 1 column 0"),
        (b"{\n  \"name\": }", "not JSON at line 2 column 11"),
        (b"{\"name\":\"a\"} x", "not JSON at line 1 column 14"),
        (b"{\"name\":\"a\0\"}", "not JSON at line 1 column 11"),
        (b"{'name':1}", "not JSON at line 1 column 2"),
    ] {
        let answer = call(router(), post("/json", "application/json", body)).await;
        let problem = answer.problem(400, "malformed_json");
        assert_eq!(problem["detail"], detail);
    }
    let deep = "[".repeat(10_000);
    let deep = format!(r#"{{"name":{deep}"#);
    let answer = call(router(), post("/json", "application/json", deep)).await;
    assert!(answer.status.is_client_error());
    let answer = call(
        router(),
        post("/json", "application/json", &b"{\"name\":\"\xff\"}"[..]),
    )
    .await;
    let problem = answer.problem(400, "invalid_utf8");
    assert_eq!(problem["detail"], "not UTF-8 at byte 9");
}

#[tokio::test]
async fn content_types_and_sizes_are_checked() {
    let body = r#"{"name":"a"}"#;
    for fine in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ] {
        let answer = call(router(), post("/json", fine, body)).await;
        assert_eq!(answer.status, 200, "{fine}");
    }
    for other in [
        "text/plain",
        "application/jsonp",
        "application/json; charset=latin1",
        "application/x-www-form-urlencoded",
        "",
    ] {
        let answer = call(router(), post("/json", other, body)).await;
        answer.problem(415, "unsupported_media_type");
    }
    let none = Request::post("/json").body(Body::from(body)).unwrap();
    call(router(), none)
        .await
        .problem(415, "unsupported_media_type");
    let packed = Request::post("/json")
        .header("content-type", "application/json")
        .header("content-encoding", "gzip");
    let packed = packed.body(Body::from(body)).unwrap();
    call(router(), packed)
        .await
        .problem(415, "unsupported_media_type");

    let fitting = format!(r#"{{"name":"{}"}}"#, "a".repeat(JSON_LIMIT - 11));
    let answer = call(router(), post("/json", "application/json", fitting.clone())).await;
    assert_eq!(answer.status, 200);
    let answer = call(
        router(),
        post("/json", "application/json", format!("{fitting} ")),
    )
    .await;
    answer.problem(413, "too_large");
}

#[tokio::test]
async fn query_parameters_are_named() {
    for (text, name, message) in [
        ("limit=x", ".limit", "is not a whole number in range"),
        ("limit=-1", ".limit", "is not a whole number in range"),
        ("limit=70000", ".limit", "is not a whole number in range"),
        ("limit=", ".limit", "is not a whole number in range"),
        ("limit=1&limit=1", ".limit", "is given twice"),
        ("limi%74=1&limit=1", ".limit", "is given twice"),
        ("page=1", ".page", "is not known here"),
        (
            "order=up",
            ".order",
            "unknown variant `up`, expected `asc` or `desc`",
        ),
        ("all=1", ".all", "is not true or false"),
        ("q=%ff", ".q", "is not UTF-8"),
        ("q=%00", ".q", "contains U+0000"),
        ("q=%zz", ".q", "has a `%` without two hexadecimal digits"),
        ("q=%e", ".q", "has a `%` without two hexadecimal digits"),
        ("q=%+1", ".q", "has a `%` without two hexadecimal digits"),
    ] {
        let answer = call(router(), get(&format!("/query?{text}"))).await;
        let problem = answer.problem(422, "invalid");
        let error = &problem["errors"][0];
        assert_eq!(error["path"], format!("query{name}"), "{text}");
        assert_eq!(error["message"], message, "{text}");
    }
    let many: Vec<String> = (0..200).map(|number| format!("p{number}=1")).collect();
    let answer = call(router(), get(&format!("/query?{}", many.join("&")))).await;
    answer.problem(422, "invalid");
    for fine in [
        "/query",
        "/query?",
        "/query?&&limit=5&order=desc&all=true&q=a+b%20c%C3%BC&after=0198c0de-0000-7000-8000-000000000001",
    ] {
        assert_eq!(call(router(), get(fine)).await.text, "fine", "{fine}");
    }
}

#[tokio::test]
async fn path_parameters_are_named() {
    for (path, name) in [
        ("/one/no-uuid", "path.id"),
        ("/one/%00", "path.id"),
        ("/two/a/-1", "path.seq"),
        ("/two/a/1.5", "path.seq"),
        ("/two/%00/1", "path.name"),
        ("/name/%00", "path.name"),
    ] {
        let problem = call(router(), get(path)).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["path"], name, "{path}");
    }
    let problem = call(router(), get("/name/%ff"))
        .await
        .problem(422, "invalid");
    assert_eq!(problem["errors"][0]["path"], "path");
    assert_eq!(call(router(), get("/name/%2e%2e%2fa")).await.text, "fine");
}
