//! A WebSocket with every state of a credential, in each of the places where one may come.

use std::fmt::Write as _;

use axum::http::Request;
use fastwebsockets::handshake;
use http_body_util::Empty;
use serde_json::json;
use tokio::net::TcpStream;

use super::client::{Socket, shake};
use crate::auth::{A, ISSUER, now, unsigned};
use crate::world::World;

const PATH: &str = "/api/v1/logs/stream";

/// Tokens that open nothing, each with status and code.
fn bad(world: &World) -> Vec<(String, u16, &'static str)> {
    let good = json!({
        "iss": ISSUER, "aud": ["veritrail-logs"], "sub": uuid::Uuid::now_v7(), "kind": "user",
        "tenant_id": A.id, "tenant": A.code, "roles": ["admin"],
        "jti": uuid::Uuid::now_v7(), "iat": now(), "exp": now() + 900,
    });
    let with = |member: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[member] = value;
        world.auth.token(&claims)
    };
    vec![
        ("nonsense".to_owned(), 401, "bad_credential"),
        (unsigned(&good), 401, "bad_credential"),
        (world.auth.confused(&good), 401, "bad_credential"),
        (with("exp", json!(now() - 1)), 401, "token_expired"),
        (
            with("aud", json!(["veritrail-auth"])),
            401,
            "bad_credential",
        ),
        (world.auth.user(A, "writer").token, 403, "forbidden"),
        (world.auth.service(A, "actor:*").token, 403, "forbidden"),
        (world.auth.system(A).token, 403, "forbidden"),
    ]
}

#[tokio::test]
async fn wherever_it_comes_it_is_looked_at_the_same() {
    let world = World::start().await;
    let address = world.serve(&world.state).await;
    for (token, status, code) in bad(&world) {
        let bearer = format!("Bearer {token}");
        let offer = format!("veritrail.stream.v1, bearer.{token}");
        for headers in [
            [("authorization", bearer.as_str())],
            [("sec-websocket-protocol", &offer)],
        ] {
            let refusal = Socket::open(address, PATH, &headers).await.err().unwrap();
            assert_eq!(
                (refusal.status, &refusal.problem["code"]),
                (status, &json!(code)),
                "{headers:?}"
            );
        }
        let mut socket = Socket::open(address, PATH, &[]).await.unwrap();
        socket.authenticate(&token).await;
        assert_eq!(socket.ends().await, (4000 + status, code.to_owned()));
    }
    let good = world.auth.user(A, "viewer").token;
    Socket::follow(address, &good, "").await.ready().await;
    let mut socket = Socket::open(address, PATH, &[]).await.unwrap();
    socket.authenticate(&good).await;
    socket.ready().await;
    world.end().await;
}

#[tokio::test]
async fn a_token_among_the_subprotocols_is_taken_and_never_answered() {
    let world = World::start().await;
    let address = world.serve(&world.state).await;
    let token = world.auth.user(A, "viewer").token;
    let bearer = format!("bearer.{token}");
    let offer = format!("{bearer}, veritrail.stream.v1");
    for (headers, answered) in [
        (vec![("sec-websocket-protocol", offer.as_str())], true),
        (
            vec![
                ("sec-websocket-protocol", "veritrail.stream.v1"),
                ("sec-websocket-protocol", &bearer),
            ],
            true,
        ),
        (vec![("sec-websocket-protocol", bearer.as_str())], false),
    ] {
        let (_, head) = shake(address, PATH, &headers).await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(
            !head.contains(&token.to_lowercase()) && !head.contains("bearer"),
            "{head}"
        );
        assert_eq!(
            head.contains("sec-websocket-protocol: veritrail.stream.v1\r\n"),
            answered,
            "{head}"
        );
    }
    // Two credentials: which is meant?
    let authorization = format!("Bearer {token}");
    let twice = format!("{bearer}, {bearer}");
    for headers in [
        vec![
            ("authorization", authorization.as_str()),
            ("sec-websocket-protocol", &bearer),
        ],
        vec![("sec-websocket-protocol", twice.as_str())],
        vec![("authorization", "Basic YTpi")],
    ] {
        let refusal = Socket::open(address, PATH, &headers).await.err().unwrap();
        assert_eq!(refusal.status, 401, "{headers:?}");
    }
    // Never in the address.
    for name in ["token", "access_token", "authorization"] {
        let path = format!("{PATH}?{name}={token}");
        let refusal = Socket::open(address, &path, &[]).await.err().unwrap();
        assert_eq!(refusal.status, 422, "{name}");
    }
    world.end().await;
}

#[tokio::test]
async fn the_upgrade_is_one_that_a_client_library_takes() {
    struct Spawner;
    impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Spawner {
        fn execute(&self, future: F) {
            tokio::spawn(future);
        }
    }
    let world = World::start().await;
    let address = world.serve(&world.state).await;
    let token = world.auth.user(A, "viewer").token;
    let stream = TcpStream::connect(address).await.unwrap();
    let request = Request::get(format!("http://{address}{PATH}"))
        .header("host", address.to_string())
        .header("upgrade", "websocket")
        .header("connection", "upgrade")
        .header("sec-websocket-key", handshake::generate_key())
        .header("sec-websocket-version", "13")
        .header("authorization", format!("Bearer {token}"))
        .body(Empty::<axum::body::Bytes>::new())
        .unwrap();
    let (mut socket, answer) = handshake::client(&Spawner, request, stream).await.unwrap();
    assert_eq!(answer.status(), 101);
    let frame = socket.read_frame().await.unwrap();
    let frame: serde_json::Value = serde_json::from_slice(&frame.payload).unwrap();
    assert_eq!(frame["type"], "ready");
    world.end().await;
}

#[tokio::test]
async fn an_upgrade_that_is_none_is_refused() {
    let world = World::start().await;
    let address = world.serve(&world.state).await;
    let bearer = format!("Bearer {}", world.auth.user(A, "viewer").token);
    for (name, value) in [
        ("sec-websocket-version", "8"),
        ("connection", "close"),
        ("upgrade", "h2c"),
    ] {
        // A second value beside the good one, or in its place.
        let path = format!("GET {PATH} HTTP/1.1\r\nhost: {address}\r\nauthorization: {bearer}\r\n");
        let mut request = path;
        for (given, usual) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            let value = if given == name { value } else { usual };
            write!(request, "{given}: {value}\r\n").unwrap();
        }
        request.push_str("\r\n");
        let mut stream = TcpStream::connect(address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
            .await
            .unwrap();
        let head = super::client::head(&mut stream).await;
        assert!(head.starts_with("http/1.1 400 "), "{name}: {head}");
    }
    world.end().await;
}
