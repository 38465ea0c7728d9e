//! What was planted in requests must not turn up in the logs, at whatever level.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::header;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use service::access::Appender;
use service::body::Upload;
use service::extract::{Json, Path, Query};
use service::http::Limits;
use service::keys::Jwks;
use service::{Access, ApiError, Caller, Shutdown, telemetry};
use tracing_subscriber::fmt::MakeWriter;

use crate::auth::{Auth, INTERNAL_SECRET, access, timing};
use crate::signer::{Signer, USER, changed, claims};
use crate::wire::Server;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Login {
    username: String,
    password: String,
    number: Option<u8>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only its shape matters")]
struct Words {
    q: u8,
}

async fn append(Appender(_): Appender, upload: Upload) -> Result<&'static str, ApiError> {
    upload.read_json(1000).await?;
    Ok("appended")
}

async fn form(upload: Upload) -> Result<&'static str, ApiError> {
    let form = "application/x-www-form-urlencoded";
    upload.read(form, 10).await?;
    Ok("fine")
}

fn router(access: Access) -> Router {
    Router::new()
        .route("/login", post(async |Json(_): Json<Login>| "fine"))
        .route("/form", post(form))
        .route(
            "/words",
            get(async |_: Caller, Query(_): Query<Words>| "fine"),
        )
        .route("/path/{id}", get(async |Path(_): Path<u8>| "fine"))
        .route(
            "/fails",
            get(async |_: Caller| ApiError::Internal(anyhow::anyhow!("inner").context("outer"))),
        )
        .route("/append", post(append))
        .with_state(access)
}

const KEY: &str = "vtk_planted0123456789abcdefghijABCDEFGHIJ-_0123";
const UNKNOWN: &str = "vtk_plantedunknown789abcdefghijABCDEFGHIJ-_0123";
const PASSWORD: &str = "password-planted-hunter2";
const PERSON: &str = "person-planted@example.org";

#[tokio::test]
async fn nothing_planted_turns_up_in_the_logs() {
    let log = Log::default();
    let subscriber = telemetry::json("trace", log.clone()).unwrap();
    let _guard = tracing::subscriber::set_default(subscriber);

    let signer = Signer::ed25519();
    let auth = Arc::new(Auth::default());
    let keys = vec![signer.jwk("k")];
    *auth.keys.lock().unwrap() = Jwks { keys };
    let service = json!({"kind": "service", "roles": ["writer"], "key": USER});
    let granted = signer.token("k", &changed(claims(), &service));
    auth.tokens
        .lock()
        .unwrap()
        .insert(KEY.into(), granted.clone());
    let auth_server = auth.serve().await;
    let shutdown = Shutdown::new();
    let access = access(&auth_server.url(""), timing(), &shutdown);
    access.until_ready().await;
    let server = Server::start(router(access), Limits::default()).await;
    // A log statement that another test reached just as the subscriber came may have missed it.
    tracing::callsite::rebuild_interest_cache();

    let token = signer.token("k", &claims());
    let forged = format!("{}planted", &token[..token.len() - 7]);
    let http = reqwest::Client::new();
    let login = json!({"username": PERSON, "password": PASSWORD}).to_string();
    let wrong = json!({"username": PERSON, "password": PASSWORD, "number": PASSWORD});
    let unknown = json!({"username": PERSON, "password": PASSWORD, PASSWORD: 1});
    for credential in [&token, &forged, KEY, UNKNOWN] {
        for request in [
            http.post(server.url("/login")).body(login.clone()),
            http.post(server.url("/login")).body(wrong.to_string()),
            http.post(server.url("/login")).body(unknown.to_string()),
            http.post(server.url("/login"))
                .body(format!("{login}{PASSWORD}")),
            http.post(server.url("/append")).body(login.clone()),
            http.get(server.url(&format!("/words?q={PERSON}"))),
            http.get(server.url(&format!("/words?access_token={credential}"))),
            http.get(server.url(&format!("/path/{PERSON}"))),
            http.get(server.url(&format!("/{PERSON}/{credential}"))),
            http.get(server.url("/fails")),
        ] {
            let request = request.header(header::CONTENT_TYPE, "application/json");
            request.bearer_auth(credential).send().await.unwrap();
        }
        let form = format!("username={PERSON}&password={PASSWORD}&number={PASSWORD}");
        let form = http
            .post(server.url("/form"))
            .body(form)
            .basic_auth(PERSON, Some(PASSWORD));
        let form_type = "application/x-www-form-urlencoded";
        form.header(header::CONTENT_TYPE, form_type)
            .send()
            .await
            .unwrap();
    }
    auth.broken.store(true, Ordering::SeqCst);
    let known = http
        .post(server.url("/append"))
        .bearer_auth(KEY)
        .body(login);
    known.send().await.unwrap();
    assert!(
        auth.last_trace.lock().unwrap().is_some(),
        "the exchange is part of the trace"
    );
    shutdown.begin();
    server.stop().await;
    auth_server.stop().await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    check(&text, &[&token, &forged, &granted]);
}

fn check(text: &str, tokens: &[&str]) {
    let signatures = tokens.iter().map(|token| token.rsplit('.').next().unwrap());
    let planted = [KEY, UNKNOWN, PASSWORD, PERSON, INTERNAL_SECRET];
    for secret in planted.into_iter().chain(signatures) {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let failed = |line: &&Value| line["route"] == "/fails" && line["status"] == 500;
    let failed: Vec<_> = lines.iter().filter(failed).collect();
    assert_eq!(failed.len(), 2, "the token and the key");
    assert_eq!(failed[0]["error"], "outer: inner");
    assert_eq!(failed[0]["level"], "error");
    assert_eq!(failed[0]["principal"], format!("user:{USER}"));
    assert!(failed[0]["request_id"].is_string() && failed[0]["tenant"].is_string());
    let unrouted = |line: &&Value| line["route"] == "none" && line["status"] == 404;
    assert_eq!(lines.iter().filter(unrouted).count(), 4);
}
