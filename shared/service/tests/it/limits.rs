//! Rude clients on real sockets: slow, long, many, malformed, deaf.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::IntoResponse;
use axum::routing::{get as on_get, post as on_post};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use service::ApiError;
use service::body::Upload;
use service::extract::Json;
use service::http::{Limits, Settings, app};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};
use tower::ServiceExt;

use crate::wire::{Server, post_text as post, problem, short};

const LIMIT: usize = 1000;

async fn upload(upload: Upload) -> Result<String, ApiError> {
    let held = upload.read_json(LIMIT).await?;
    Ok(format!("{} bytes", held.len()))
}

fn router() -> Router {
    Router::new()
        .route("/", on_get(async || "fine"))
        .route("/upload", on_post(upload))
        .route(
            "/json",
            on_post(async |Json(value): Json<Value>| Json(value)),
        )
}

#[tokio::test]
async fn a_slow_head_is_cut_off() {
    let server = Server::start(router(), short()).await;
    for start in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: a\r\nx-slow: "] {
        let answer = server.exchange(start).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    // Also between two requests.
    let answer = server
        .exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_stops_is_408() {
    let server = Server::start(router(), short()).await;
    for request in [
        post("/upload", "content-length: 10", "{"),
        post("/upload", "transfer-encoding: chunked", "1\r\n{\r\n"),
        post("/upload", "transfer-encoding: chunked", ""),
    ] {
        let answer = server.exchange(request).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert_eq!(problem(&answer)["code"], "request_timeout");
    }
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_trickle_is_not_progress() {
    let app = app(router(), &Settings::default());
    let send = async |chunk: usize, chunks: usize| {
        let between = Duration::from_secs(29);
        let times = interval_at(Instant::now() + between, between);
        let body = stream::unfold((times, 0), move |(mut times, sent)| async move {
            times.tick().await;
            let bytes = Bytes::from(vec![b' '; chunk]);
            (sent < chunks).then_some((Ok::<_, Infallible>(bytes), (times, sent + 1)))
        });
        let request = Request::post("/upload").header("content-type", "application/json");
        let request = request.body(Body::from_stream(body)).unwrap();
        app.clone()
            .oneshot(request)
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(send(1, 5).await, 408);
    assert_eq!(send(1, 1).await, 408, "the end is late as well");
    assert_eq!(send(0, 0).await, 200);
    // More than the limit, but fast enough to hear of it.
    assert_eq!(send(16 * 1024, 2).await, 413);
}

#[tokio::test]
async fn too_long_is_413_and_the_client_hears_of_it() {
    let server = Server::start(router(), short()).await;
    let long = "x".repeat(1_000_000);
    let declared = format!("content-length: {}", long.len());
    let chunked = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    for request in [
        post("/upload", &declared, &long),
        post("/upload", "transfer-encoding: chunked", &chunked),
        post("/json", &declared, &long),
        post("/upload", "content-length: 1001", &long[..1001]),
    ] {
        let answer = server.exchange(request).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert_eq!(problem(&answer)["code"], "too_large");
    }
    let answer = server
        .exchange(post("/upload", "content-length: 1000", &long[..1000]))
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("1000 bytes"),
        "{answer}"
    );
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = Server::start(router(), short()).await;
    let head = "GET / HTTP/1.1\r\nhost: a\r\n";
    let close = "host: a\r\nconnection: close\r\n\r\n";
    for (request, status) in [
        ("garbage\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), "400"),
        (format!("OPTIONS * HTTP/1.1\r\n{close}"), "404"),
        (format!("CONNECT a:443 HTTP/1.1\r\n{close}"), "404"),
        (format!("GET http://b/nowhere HTTP/1.1\r\n{close}"), "404"),
        (format!("BREW / HTTP/1.1\r\n{close}"), "405"),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n".to_owned(), "400"),
        (format!("{head}no colon\r\n\r\n"), "400"),
        (format!("{head}content-length: x\r\n\r\n"), "400"),
        (format!("{head}x: {}\r\n\r\n", "x".repeat(20_000)), "431"),
        (format!("{head}{}\r\n", "a: b\r\n".repeat(1000)), "431"),
    ] {
        let answer = server.exchange(&request).await;
        let start = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&start), "{answer} to {request}");
    }
    let fine = server
        .exchange(format!("{head}connection: close\r\n\r\n"))
        .await;
    assert!(fine.ends_with("fine"));
    server.stop().await;
}

#[tokio::test]
async fn bad_text_and_broken_framing_are_400() {
    let server = Server::start(router(), short()).await;
    let mut request = post("/json", "content-length: 4", "").into_bytes();
    request.extend_from_slice(b"\"\xff\xfe\"");
    assert_eq!(
        problem(&server.exchange(request).await)["code"],
        "invalid_utf8"
    );
    let request = post("/json", "transfer-encoding: chunked", "zz\r\nabc");
    assert_eq!(
        problem(&server.exchange(request).await)["code"],
        "body_broken"
    );
    server.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(router(), short()).await;
    let first = "POST /json HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let requests = format!(
        "{first}content-length: 1\r\n\r\n1{first}content-length: 1\r\n\r\n2{}",
        post("/json", "content-length: 1", "3")
    );
    let answers = server.exchange(requests).await;
    let bodies: Vec<_> = answers
        .split("HTTP/1.1 200 OK")
        .skip(1)
        .map(|answer| answer.split_once("\r\n\r\n").unwrap().1)
        .collect();
    assert_eq!(bodies, ["1", "2", "3"]);
    server.stop().await;
}

#[tokio::test]
async fn over_the_cap_clients_wait_and_the_others_go_on() {
    let limits = Limits {
        connections: 2,
        header_timeout: Duration::from_mins(1),
        ..short()
    };
    let server = Server::start(router(), limits).await;
    let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    first.send(get).await;
    first.until("fine").await;
    second.send(get).await;
    second.until("fine").await;
    let mut third = server.connect().await;
    third.send(get).await;
    for _ in 0..20 {
        first.send(get).await;
        first.until("fine").await;
    }
    let waiting = tokio::time::timeout(Duration::from_millis(50), third.until("fine"));
    assert!(waiting.await.is_err());
    drop(second);
    third.send(get).await;
    third.until("fine").await;
    first.send(get).await;
    first.until("fine").await;
    server.stop().await;
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    let (alive, mut ended) = mpsc::unbounded_channel::<()>();
    let endless = async move || {
        let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
        let body = stream::repeat_with(move || {
            let _kept = &alive;
            Ok::<_, Infallible>(chunk.clone())
        });
        Body::from_stream(body).into_response()
    };
    let endless = std::sync::Mutex::new(Some(endless));
    let handler = move || {
        let endless = endless.lock().unwrap().take();
        async move { endless.unwrap()().await }
    };
    let handler = Arc::new(handler);
    let router = Router::new().route("/", on_get(move || handler()));
    let server = Server::start(router, short()).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    // The channel closes when the body is dropped.
    assert!(ended.recv().await.is_none());
    server.stop().await;
}
