//! Requests in progress on real sockets: credentials before bodies, the budget of bodies, the stop.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::post as on_post;
use serde_json::json;
use service::body::Upload;
use service::http::Limits;
use service::{Access, ApiError, Caller};
use tokio::sync::{Semaphore, mpsc};

use crate::forged::access;
use crate::signer::{OTHER_TENANT, Signer, claims, claims_with};
use crate::wire::{Server, post_text as post, problem, short};

/// A route that holds its body until it is let go, and tells when it has it and when it ends.
struct Gate {
    arrived: mpsc::UnboundedSender<()>,
    left: mpsc::UnboundedSender<()>,
    go: Semaphore,
}

#[derive(Clone)]
struct Guarded {
    access: Access,
    gate: Arc<Gate>,
}

impl FromRef<Guarded> for Access {
    fn from_ref(state: &Guarded) -> Self {
        state.access.clone()
    }
}

async fn hold(
    State(Guarded { gate, .. }): State<Guarded>,
    _: Caller,
    upload: Upload,
) -> Result<String, ApiError> {
    let _left = Left(gate.left.clone());
    let held = upload.read_json(200_000).await?;
    gate.arrived.send(()).unwrap();
    gate.go.acquire().await.unwrap().forget();
    Ok(format!("{} bytes", held.len()))
}

/// Dropped after the body.
struct Left(mpsc::UnboundedSender<()>);

impl Drop for Left {
    fn drop(&mut self) {
        // A test that does not listen is none that asks.
        let _ = self.0.send(());
    }
}

struct Held {
    router: Router,
    signer: Signer,
    gate: Arc<Gate>,
    arrivals: mpsc::UnboundedReceiver<()>,
    departures: mpsc::UnboundedReceiver<()>,
}

fn guarded() -> Held {
    let signer = Signer::ed25519();
    let (access, ..) = access(vec![signer.jwk("k")]);
    let (arrived, arrivals) = mpsc::unbounded_channel();
    let (left, departures) = mpsc::unbounded_channel();
    let go = Semaphore::new(0);
    let gate = Arc::new(Gate { arrived, left, go });
    let state = Guarded {
        access,
        gate: Arc::clone(&gate),
    };
    let router = Router::new().route("/", on_post(hold)).with_state(state);
    Held {
        router,
        signer,
        gate,
        arrivals,
        departures,
    }
}

#[tokio::test]
async fn the_credential_comes_before_100_continue() {
    let held = guarded();
    held.gate.go.add_permits(1);
    let server = Server::start(held.router, short()).await;
    let refused = server
        .exchange(post("/", "content-length: 2\r\nexpect: 100-continue", ""))
        .await;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    assert!(refused.contains("www-authenticate: Bearer"));
    let token = held.signer.token("k", &claims());
    let headers =
        format!("content-length: 2\r\nexpect: 100-continue\r\nauthorization: Bearer {token}");
    let mut client = server.connect().await;
    client.send(post("/", &headers, "")).await;
    let first = client.until("\r\n\r\n").await;
    assert!(first.starts_with("HTTP/1.1 100"), "{first}");
    client.send("{}").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn body_bytes_are_bounded_for_each_tenant_and_for_all() {
    let mut held = guarded();
    let limits = Limits {
        body_bytes: 300_000,
        tenant_body_bytes: 200_000,
        ..short()
    };
    let server = Server::start(held.router, limits).await;
    let body = format!("\"{}\"", "x".repeat(149_998));
    let request = |tenant: &str, code: &str| {
        let claims = claims_with(&json!({"tenant_id": tenant, "tenant": code}));
        let token = held.signer.token("k", &claims);
        let headers = format!(
            "content-length: {}\r\nauthorization: Bearer {token}",
            body.len()
        );
        post("/", &headers, &body)
    };
    let one = "0198c0de-0000-7000-8000-000000000011";
    let third = "0198c0de-0000-7000-8000-000000000033";

    let mut first = server.connect().await;
    first.send(request(one, "a")).await;
    held.arrivals.recv().await.unwrap();
    let refused = server.exchange(request(one, "a")).await;
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    assert!(refused.contains("retry-after: 1"));
    assert_eq!(problem(&refused)["code"], "too_many_requests");

    let mut second = server.connect().await;
    second.send(request(OTHER_TENANT, "a-b")).await;
    held.arrivals.recv().await.unwrap();
    let refused = server.exchange(request(third, "a-b-c")).await;
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");

    held.gate.go.add_permits(4);
    assert!(first.rest().await.starts_with("HTTP/1.1 200"));
    assert!(second.rest().await.starts_with("HTTP/1.1 200"));
    // Everything was given back, also by those who were refused half-way.
    for (tenant, code) in [(one, "a"), (third, "a-b-c")] {
        let answer = server.exchange(request(tenant, code)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_progress() {
    let mut held = guarded();
    let server = Server::start(held.router, short()).await;
    let token = held.signer.token("k", &claims());
    let headers = format!("content-length: 2\r\nauthorization: Bearer {token}");
    let mut busy = server.connect().await;
    busy.send(post("/", &headers, "{}")).await;
    held.arrivals.recv().await.unwrap();
    let mut idle = server.connect().await;
    idle.send("GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n").await;
    idle.until("not_found").await;

    server.shutdown.begin();
    assert!(!idle.rest().await.contains("HTTP/1.1"));
    held.gate.go.add_permits(1);
    assert!(busy.rest().await.ends_with("2 bytes"));
    let address = server.address;
    server.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let mut held = guarded();
    let server = Server::start(held.router, short()).await;
    let token = held.signer.token("k", &claims());
    let headers = format!("content-length: 2\r\nauthorization: Bearer {token}");
    let mut busy = server.connect().await;
    busy.send(post("/", &headers, "{}")).await;
    held.arrivals.recv().await.unwrap();
    server.stop().await;
    assert_eq!(busy.rest().await, "");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    let mut held = guarded();
    let limits = Limits {
        body_bytes: 200_000,
        ..short()
    };
    let server = Server::start(held.router, limits).await;
    let body = format!("\"{}\"", "x".repeat(149_998));
    let token = held.signer.token("k", &claims());
    let headers = format!(
        "content-length: {}\r\nauthorization: Bearer {token}",
        body.len()
    );
    for _ in 0..3 {
        // Each takes most of the budget, so the next gets in only when it was given back.
        let mut client = server.connect().await;
        client.send(post("/", &headers, &body)).await;
        held.arrivals.recv().await.unwrap();
        drop(client);
        held.departures.recv().await.unwrap();
    }
    server.stop().await;
}
