//! Stands where log-service stands: takes entries over HTTP, once per id, and can be told to fail before or after it took one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::installation::claims;

/// What happens to the next entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not taken; 503.
    Before,
    /// Taken; the answer is lost.
    After,
    /// Not taken, now or ever; 422.
    Refuse,
}

#[derive(Clone)]
pub(crate) struct Receiver {
    port: u16,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    entries: Vec<(Value, Value)>,
    faults: VecDeque<Fault>,
    posts: usize,
    down: bool,
}

impl Receiver {
    pub(crate) async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Receiver {
            port: listener.local_addr().unwrap().port(),
            taken: Arc::default(),
        };
        let app = Router::new()
            .route("/api/v1/logs", post(take))
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    pub(crate) fn url(&self) -> Url {
        format!("http://127.0.0.1:{}", self.port).parse().unwrap()
    }

    pub(crate) fn fail(&self, faults: &[Fault]) {
        self.taken.lock().unwrap().faults.extend(faults);
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.taken.lock().unwrap().down = down;
    }

    pub(crate) fn posts(&self) -> usize {
        self.taken.lock().unwrap().posts
    }

    /// The entries of a tenant, in the order in which they were taken.
    pub(crate) fn entries(&self, code: &str) -> Vec<Value> {
        let taken = self.taken.lock().unwrap();
        let own = taken
            .entries
            .iter()
            .filter(|(claims, _)| claims["tenant"] == code);
        own.map(|(_, entry)| entry.clone()).collect()
    }

    pub(crate) fn actions(&self, code: &str) -> Vec<String> {
        let entries = self.entries(code);
        entries
            .iter()
            .map(|entry| entry["action"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The last entry of that action.
    pub(crate) fn last(&self, code: &str, action: &str) -> Value {
        let mut entries = self.entries(code);
        entries.retain(|entry| entry["action"] == action);
        entries
            .pop()
            .unwrap_or_else(|| panic!("no {action} in {code}"))
    }
}

async fn take(
    State(receiver): State<Receiver>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let authorization = headers["authorization"].to_str().unwrap();
    let claims = claims(authorization.strip_prefix("Bearer ").unwrap());
    assert_eq!(claims["kind"], "system");
    assert_eq!(claims["aud"], json!(["veritrail-logs"]));
    let recorder = chain::Recorder {
        kind: "system",
        id: claims["sub"].as_str().unwrap(),
    };
    let parsed = chain::Entry::parse(&body, recorder, uuid::Uuid::nil());
    assert!(parsed.is_ok(), "{:?}", parsed.err());
    let entry: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(entry["partition"], "system");
    let mut taken = receiver.taken.lock().unwrap();
    taken.posts += 1;
    if taken.down {
        return (StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
    let fault = taken.faults.pop_front();
    match fault {
        Some(Fault::Before) => return (StatusCode::SERVICE_UNAVAILABLE, String::new()),
        Some(Fault::Refuse) => {
            let problem = json!({"code": "invalid", "detail": "secret words"});
            return (StatusCode::UNPROCESSABLE_ENTITY, problem.to_string());
        }
        Some(Fault::After) | None => {}
    }
    match taken
        .entries
        .iter()
        .find(|(_, known)| known["id"] == entry["id"])
    {
        Some((_, known)) => assert_eq!(*known, entry, "the same id with other content"),
        None => taken.entries.push((claims, entry)),
    }
    match fault {
        Some(Fault::After) => (StatusCode::BAD_GATEWAY, String::new()),
        _ => (StatusCode::CREATED, "{}".to_owned()),
    }
}
