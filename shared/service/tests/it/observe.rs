//! Request ids, traces, CORS, health, metrics, the description and its page.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request};
use axum::routing::get as on_get;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use service::docs::Part;
use service::health::Health;
use service::http::{Settings, app};
use service::{ApiError, docs, metrics, request};
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::forged::access;
use crate::signer::{Signer, claims, claims_with};
use crate::wire::{Answer, call, get};

async fn echo() -> String {
    let mut headers = HeaderMap::new();
    request::propagate(&mut headers);
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let sent = json!({
        "id": request::id(),
        "x-request-id": text("x-request-id"),
        "traceparent": text("traceparent"),
        "tracestate": text("tracestate"),
    });
    sent.to_string()
}

fn with(headers: &[(&'static str, &str)]) -> Request<Body> {
    let mut request = get("/");
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers_mut().append(*name, value);
    }
    request
}

async fn echoed(headers: &[(&'static str, &str)]) -> (Answer, Value) {
    let router = Router::new().route("/", on_get(echo));
    let answer = call(router, with(headers)).await;
    let inside = answer.json();
    let id = answer.headers["x-request-id"].to_str().unwrap();
    assert_eq!(inside["id"], id);
    assert_eq!(inside["x-request-id"], id);
    assert_eq!(
        inside["traceparent"],
        answer.headers["traceparent"].to_str().unwrap()
    );
    (answer, inside)
}

#[tokio::test]
async fn sane_request_ids_are_taken_over_and_others_replaced() {
    let (_, inside) = echoed(&[("x-request-id", "Order-7_a.b:c")]).await;
    assert_eq!(inside["id"], "Order-7_a.b:c");
    let long = "x".repeat(129);
    for odd in ["", "two words", "a\"b", "<script>", "ü", &long] {
        let (_, inside) = echoed(&[("x-request-id", odd)]).await;
        assert_eq!(inside["id"].as_str().unwrap().len(), 32, "{odd}");
    }
    let (_, inside) = echoed(&[("x-request-id", "a"), ("x-request-id", "b")]).await;
    assert_eq!(inside["id"].as_str().unwrap().len(), 32);
    let (_, other) = echoed(&[]).await;
    assert_ne!(inside["id"], other["id"]);
    assert_eq!(request::id(), None);
}

#[tokio::test]
async fn traces_go_on_and_broken_ones_begin_anew() {
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let given = format!("00-{trace}-b7ad6b7169203331-01");
    let (_, inside) = echoed(&[("traceparent", &given), ("tracestate", "a=1")]).await;
    let sent = inside["traceparent"].as_str().unwrap();
    assert!(
        sent.starts_with(&format!("00-{trace}-")) && sent.ends_with("-01"),
        "{sent}"
    );
    assert_ne!(sent, given, "our own span");
    assert_eq!(inside["tracestate"], "a=1");
    let (_, inside) = echoed(&[("traceparent", "00-nonsense-01")]).await;
    let sent = inside["traceparent"].as_str().unwrap();
    assert!(sent.len() == 55 && !sent.contains(trace));
}

#[tokio::test]
async fn answers_are_not_cached_or_guessed_at() {
    let answer = call(Router::new().route("/", on_get(async || "fine")), get("/")).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn cors_is_off_unless_configured() {
    let router = Router::new().route("/", on_get(async || "fine"));
    let origin = "https://app.example.com";
    let ask = async |method: Method, from: &str, settings: &Settings| {
        let request = Request::builder()
            .method(method)
            .uri("/")
            .header("origin", from);
        let request = request.header("access-control-request-method", "POST");
        let request = request.body(Body::empty()).unwrap();
        app(router.clone(), settings)
            .oneshot(request)
            .await
            .unwrap()
    };
    let off = ask(Method::GET, origin, &Settings::default()).await;
    assert!(!off.headers().contains_key("access-control-allow-origin"));
    let on = Settings {
        cors_origins: vec![HeaderValue::from_static("https://app.example.com")],
        ..Settings::default()
    };
    let answer = ask(Method::GET, origin, &on).await;
    assert_eq!(answer.headers()["access-control-allow-origin"], origin);
    let preflight = ask(Method::OPTIONS, origin, &on).await;
    assert_eq!(preflight.status(), 200);
    let allowed = preflight.headers()["access-control-allow-headers"]
        .to_str()
        .unwrap();
    assert!(allowed.contains("authorization"));
    let stranger = ask(Method::GET, "https://elsewhere.example.com", &on).await;
    assert!(
        !stranger
            .headers()
            .contains_key("access-control-allow-origin")
    );
}

#[tokio::test]
async fn health_tells_detail_only_to_a_role() {
    let signer = Signer::ed25519();
    let (access, ..) = access(vec![signer.jwk("k")]);
    let health = Health::new()
        .check("good", async || Ok(()))
        .and(Health::new().check("bad", async || anyhow::bail!("no route to 10.0.0.7")));
    let router = health.router(access.clone());
    let bearer = async |path: &str, token: Option<String>| {
        let mut request = get(path);
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            request.headers_mut().insert("authorization", value);
        }
        call(router.clone(), request).await
    };
    let answer = bearer("/livez", None).await;
    assert_eq!(
        (answer.status.as_u16(), answer.text.as_str()),
        (200, r#"{"status":"ok"}"#)
    );
    let failing = r#"{"status":"failing"}"#;
    let internal = signer.token("k", &claims_with(&json!({"kind": "system", "roles": []})));
    for (path, token) in [
        ("/readyz", None),
        ("/readyz", Some(signer.token("k", &claims()))),
        ("/health", None),
        ("/health", Some("nonsense".into())),
        ("/health", Some(internal)),
    ] {
        let answer = bearer(path, token).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text.as_str()),
            (503, failing)
        );
    }
    let answer = bearer("/health", Some(signer.token("k", &claims()))).await;
    let checks = json!([{"name": "good", "status": "ok"}, {"name": "bad", "status": "failing"}]);
    assert_eq!(answer.json()["checks"], checks);
    let fine = Health::new().check("good", async || Ok(())).router(access);
    assert_eq!(call(fine, get("/readyz")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_fails() {
    let (access, ..) = access(Vec::new());
    let router = Health::new()
        .check("hangs", std::future::pending)
        .router(access);
    assert_eq!(call(router, get("/readyz")).await.status, 503);
}

/// What a process can do without is for details, and a load balancer does not wait for it.
#[tokio::test(start_paused = true)]
async fn what_is_only_watched_makes_nobody_unready_nor_wait() {
    let (access, ..) = access(Vec::new());
    let health = Health::new()
        .watch("watched", std::future::pending)
        .check("needed", async || Ok(()));
    let start = tokio::time::Instant::now();
    let router = health.clone().router(access);
    assert_eq!(call(router, get("/readyz")).await.status, 200);
    assert_eq!(start.elapsed(), Duration::ZERO);
    let answer = call(health.detailed(), get("/readyz")).await;
    assert_eq!(answer.status, 200);
    let checks =
        json!([{"name": "watched", "status": "degraded"}, {"name": "needed", "status": "ok"}]);
    assert_eq!(answer.json(), json!({"status": "ok", "checks": checks}));
}

/// However many ask, through whichever listener.
#[tokio::test(start_paused = true)]
async fn a_check_runs_at_most_once_a_second() {
    let (access, ..) = access(Vec::new());
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let health = Health::new().check("counted", move || {
        counted.fetch_add(1, Relaxed);
        async {
            // Those who ask at the same time come while it runs.
            tokio::task::yield_now().await;
            Ok(())
        }
    });
    let (router, detailed) = (health.clone().router(access), health.detailed());
    let ask = async || {
        tokio::join!(
            call(router.clone(), get("/readyz")),
            call(router.clone(), get("/health")),
            call(detailed.clone(), get("/readyz")),
        )
    };
    ask().await;
    ask().await;
    assert_eq!(runs.load(Relaxed), 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    ask().await;
    assert_eq!(runs.load(Relaxed), 2);
}

/// One thing.
#[utoipa::path(get, path = "/things/{id}", params(("id" = String, Path)), responses((status = 200)))]
async fn thing() -> &'static str {
    "thing"
}

#[tokio::test]
async fn the_description_and_its_page_come_from_the_program() {
    let router = OpenApiRouter::new().routes(routes!(thing));
    let router = docs::mount(router, Part::Whole, "Veritrail", "1.2.3");
    let description = call(router.clone(), get("/openapi.json")).await.json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(description["info"]["title"], "Veritrail");
    assert!(description["paths"]["/things/{id}"]["get"].is_object());
    assert_eq!(
        description["components"]["securitySchemes"]["bearer"]["scheme"],
        "bearer"
    );
    assert!(description["components"]["schemas"]["Problem"].is_object());
    assert_eq!(call(router.clone(), get("/things/1")).await.text, "thing");

    assert_eq!(call(router.clone(), get("/docs")).await.status, 303);
    let page = call(router.clone(), get("/docs/")).await;
    assert_eq!(page.status, 200);
    let mut assets = 0;
    for quoted in page.text.split('"').filter(|text| text.starts_with("./")) {
        let asset = app(router.clone(), &Settings::default());
        let asset = asset
            .oneshot(get(&format!("/docs{}", &quoted[1..])))
            .await
            .unwrap();
        assert_eq!(asset.status(), 200, "{quoted}");
        assert!(
            !asset
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .is_empty()
        );
        assets += 1;
    }
    assert!(assets >= 3);
    assert!(!page.text.contains("https://"), "{}", page.text);
    let setup = call(router, get("/docs/swagger-initializer.js")).await.text;
    assert!(
        setup.contains("/openapi.json") && !setup.contains("https://"),
        "{setup}"
    );
}

#[tokio::test]
async fn where_accounts_are_described_is_among_their_routes_and_the_trail_refers_to_it() {
    let app = |part| {
        let router = OpenApiRouter::new().routes(routes!(thing));
        docs::mount(router, part, "Veritrail", "1.2.3")
    };
    for (part, there) in [
        (Part::Whole, 200),
        (Part::Accounts, 200),
        (Part::Trail, 404),
    ] {
        let answer = call(app(part), get("/api/v1/auth/openapi.json")).await;
        assert_eq!(answer.status, there, "{part:?}");
        let own = call(app(part), get("/openapi.json")).await;
        assert_eq!(own.status, 200, "{part:?}");
        assert_eq!(own.text == answer.text, there == 200, "{part:?}");
        let setup = call(app(part), get("/docs/swagger-initializer.js")).await;
        let refers = setup.text.contains("/api/v1/auth/openapi.json");
        assert_eq!(refers, part == Part::Trail, "{part:?}");
    }
}

#[tokio::test]
async fn metrics_name_routes_and_never_values() {
    metrics::init().unwrap();
    metrics::init().unwrap();
    let router = Router::new()
        .route("/counted/{id}", on_get(async || "fine"))
        .route("/failing", on_get(async || ApiError::NotFound));
    let app = app(router, &Settings::default());
    for path in [
        "/counted/planted-value",
        "/counted/b",
        "/failing",
        "/nowhere/planted-value",
    ] {
        app.clone().oneshot(get(path)).await.unwrap();
    }
    let text = call(metrics::router(), get("/metrics")).await.text;
    let line = |start: &str| {
        let line = text.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no {start} in {text}"))
            .to_owned()
    };
    let counted = r#"http_requests_total{route="/counted/{id}",method="GET",status="2xx"}"#;
    assert!(line(counted).ends_with(" 2"));
    let failing = r#"http_requests_total{route="/failing",method="GET",status="4xx"}"#;
    assert!(line(failing).ends_with(" 1"));
    line(r#"http_request_duration_seconds_bucket{route="/counted/{id}","#);
    assert!(!text.contains("planted-value"));
}
