//! Problem documents: what clients see, and what they never see.

use std::time::Duration;

use anyhow::anyhow;
use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get as on_get, post as on_post};
use service::{ApiError, Place};

use crate::wire::{Answer, call, get, post};

async fn answer_of(error: fn() -> ApiError) -> Answer {
    let router = Router::new().route("/", on_get(move || async move { error() }));
    call(router, get("/")).await
}

#[tokio::test]
async fn every_error_has_its_status_code_and_headers() {
    let answer = answer_of(|| ApiError::Unauthorized {
        code: "no_credential",
    })
    .await;
    answer.problem(401, "no_credential");
    let challenge = "Bearer realm=\"veritrail\"";
    assert_eq!(answer.headers["www-authenticate"], challenge);
    let answer = answer_of(|| ApiError::Unauthorized {
        code: "token_expired",
    })
    .await;
    answer.problem(401, "token_expired");
    let challenge = format!("{challenge}, error=\"invalid_token\"");
    assert_eq!(answer.headers["www-authenticate"], challenge);

    let answer = answer_of(|| ApiError::Forbidden {
        code: "tenant_suspended",
    })
    .await;
    answer.problem(403, "tenant_suspended");
    answer_of(|| ApiError::NotFound)
        .await
        .problem(404, "not_found");
    answer_of(|| ApiError::Timeout)
        .await
        .problem(408, "request_timeout");
    answer_of(|| ApiError::TooLarge)
        .await
        .problem(413, "too_large");

    let answer = answer_of(|| ApiError::Conflict {
        code: "id_conflict",
        detail: "the id is taken".into(),
    });
    let problem = answer.await.problem(409, "id_conflict");
    assert_eq!(problem["detail"], "the id is taken");

    let answer = answer_of(|| ApiError::TooMany {
        retry_after: Duration::from_millis(1100),
    });
    let answer = answer.await;
    answer.problem(429, "too_many_requests");
    assert_eq!(answer.headers["retry-after"], "2");
}

#[tokio::test]
async fn places_are_listed_up_to_a_bound() {
    let problem = answer_of(|| ApiError::invalid("/a", "is missing")).await;
    let problem = problem.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["path"], "/a");
    assert_eq!(problem["errors"][0]["message"], "is missing");
    let many = || ApiError::Invalid(vec![Place::new("/a", "is missing"); 1005]);
    let problem = answer_of(many).await.problem(422, "invalid");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 1000);
    assert_eq!(problem["detail"], "5 more places are not listed");
}

#[tokio::test]
async fn internal_text_never_leaves() {
    let secret = "connection to 10.0.0.7 refused";
    let answer = answer_of(|| anyhow!("connection to 10.0.0.7 refused").into()).await;
    answer.problem(500, "internal");
    assert!(!answer.text.contains(secret));
    let answer = answer_of(|| {
        ApiError::unavailable(
            "database_unavailable",
            anyhow!("connection to 10.0.0.7 refused"),
        )
    });
    let answer = answer.await;
    answer.problem(503, "database_unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(!answer.text.contains(secret));
}

#[tokio::test]
async fn panics_are_500_and_the_next_request_is_fine() {
    async fn handler() -> &'static str {
        panic!("a secret in a panic")
    }
    let router = Router::new().route("/", on_get(handler));
    let answer = call(router.clone(), get("/")).await;
    answer.problem(500, "internal");
    assert!(!answer.text.contains("secret"));
    call(router, get("/nowhere"))
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn routers_own_refusals_are_problems_too() {
    let router = Router::new()
        .route("/a", on_get(async || "fine").delete(async || "gone"))
        .route("/b", on_post(async || "fine"))
        .route("/bare", on_get(async || StatusCode::IM_A_TEAPOT))
        .route(
            "/text",
            on_get(async || (StatusCode::BAD_GATEWAY, "internal text")),
        )
        .route(
            "/own",
            on_get(async || {
                let json = [("content-type", "application/json")];
                (
                    StatusCode::BAD_REQUEST,
                    json,
                    r#"{"error":"invalid_client"}"#,
                )
                    .into_response()
            }),
        );
    let answer = call(router.clone(), get("/nowhere")).await;
    answer.problem(404, "not_found");
    let answer = call(router.clone(), post("/a", "application/json", "{}")).await;
    answer.problem(405, "method_not_allowed");
    let allow = answer.headers["allow"].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("DELETE"), "{allow}");
    let answer = call(router.clone(), get("/b")).await;
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.headers["allow"], "POST");
    call(router.clone(), get("/bare"))
        .await
        .problem(400, "bad_request");
    let answer = call(router.clone(), get("/text")).await;
    answer.problem(500, "internal");
    let answer = call(router, get("/own")).await;
    assert_eq!(answer.json()["error"], "invalid_client");
}
