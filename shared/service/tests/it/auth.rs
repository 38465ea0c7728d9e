//! A stand-in for auth-service: the three routes that other services call, with counters and faults.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use secrecy::SecretString;
use serde_json::json;
use service::access::{AccessConfig, LOGS_AUDIENCE, Timing};
use service::body::Upload;
use service::extract::Json;
use service::http::Limits;
use service::keys::Jwks;
use service::status::StatusSet;
use service::{Access, Shutdown};
use std::time::Duration;

use crate::signer::ISSUER;
use crate::wire::Server;

pub(crate) const INTERNAL_SECRET: &str = "internal-secret-planted-4711";

#[derive(Default)]
pub(crate) struct Auth {
    pub(crate) keys: Mutex<Jwks>,
    pub(crate) status: Mutex<StatusSet>,
    /// API key to token.
    pub(crate) tokens: Mutex<HashMap<String, String>>,
    pub(crate) jwks_calls: AtomicUsize,
    pub(crate) status_calls: AtomicUsize,
    pub(crate) unchanged: AtomicUsize,
    pub(crate) exchanges: AtomicUsize,
    pub(crate) broken: AtomicBool,
    pub(crate) last_trace: Mutex<Option<String>>,
}

type Shared = State<Arc<Auth>>;

impl Auth {
    pub(crate) async fn serve(self: &Arc<Self>) -> Server {
        Server::start(self.router(), Limits::default()).await
    }

    pub(crate) fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/.well-known/jwks.json", get(jwks))
            .route("/internal/status", get(status))
            .route("/oauth/token", post(exchange))
            .with_state(Arc::clone(self))
    }

    fn fails(&self) -> Option<Response> {
        let broken = self.broken.load(Ordering::SeqCst);
        broken.then(|| StatusCode::BAD_GATEWAY.into_response())
    }
}

async fn jwks(State(auth): Shared) -> Response {
    auth.jwks_calls.fetch_add(1, Ordering::SeqCst);
    let keys = auth.keys.lock().unwrap().clone();
    auth.fails().unwrap_or_else(|| Json(keys).into_response())
}

async fn status(State(auth): Shared, headers: HeaderMap) -> Response {
    auth.status_calls.fetch_add(1, Ordering::SeqCst);
    if headers["authorization"] != format!("Bearer {INTERNAL_SECRET}") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if let Some(failure) = auth.fails() {
        return failure;
    }
    let set = auth.status.lock().unwrap().clone();
    let etag = format!("\"{}\"", serde_json::to_string(&set).unwrap().len());
    if headers
        .get("if-none-match")
        .is_some_and(|known| *known == *etag)
    {
        auth.unchanged.fetch_add(1, Ordering::SeqCst);
        return StatusCode::NOT_MODIFIED.into_response();
    }
    ([("etag", etag)], Json(set)).into_response()
}

async fn exchange(State(auth): Shared, headers: HeaderMap, upload: Upload) -> Response {
    auth.exchanges.fetch_add(1, Ordering::SeqCst);
    let trace = headers.get("traceparent");
    let trace = trace.map(|trace| trace.to_str().unwrap().to_owned());
    *auth.last_trace.lock().unwrap() = trace;
    if let Some(failure) = auth.fails() {
        return failure;
    }
    let form = upload.read("application/x-www-form-urlencoded", 1000).await;
    let form = form.unwrap();
    let form: HashMap<_, _> = url::form_urlencoded::parse(&form).into_owned().collect();
    assert_eq!(form["grant_type"], "client_credentials");
    if let Some(token) = auth.tokens.lock().unwrap().get(&form["client_secret"]) {
        return Json(json!({"access_token": token})).into_response();
    }
    let refusal = Json(json!({"error": "invalid_client"}));
    (StatusCode::UNAUTHORIZED, refusal).into_response()
}

pub(crate) fn timing() -> Timing {
    Timing {
        status_every: Duration::from_millis(20),
        keys_every: Duration::from_mins(1),
        keys_pause: Duration::from_mins(1),
        patience: Duration::from_secs(1),
    }
}

pub(crate) fn access(url: &str, timing: Timing, shutdown: &Shutdown) -> Access {
    let config = AccessConfig {
        auth_url: url.parse().unwrap(),
        issuer: ISSUER.into(),
        audience: LOGS_AUDIENCE,
        internal_secret: SecretString::from(INTERNAL_SECRET),
    };
    Access::start_with(config, timing, shutdown).unwrap()
}
