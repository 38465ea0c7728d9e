//! A client of streams: fastwebsockets, behind a handshake made by hand where refusals are of
//! interest. Every wait has a deadline.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocket};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// RFC 6455 §1.3.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub(super) struct Socket {
    inner: WebSocket<TcpStream>,
}

/// What a server answered instead of an upgrade.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) problem: Value,
}

/// The head of an answer, in lower case.
pub(super) async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

/// Sends an upgrade request with these headers; gives the stream and the answer's head.
pub(super) async fn shake(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> (TcpStream, String) {
    let socket = TcpSocket::new_v4().unwrap();
    // So that a client that does not read is noticed soon.
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n"
    );
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = head(&mut stream).await;
    (stream, head)
}

impl Socket {
    pub(super) async fn open(
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Refusal> {
        let (mut stream, head) = shake(address, path, headers).await;
        if head.starts_with("http/1.1 101 ") {
            assert!(head.contains(&format!("sec-websocket-accept: {}", ACCEPT.to_lowercase())));
            let mut inner = WebSocket::after_handshake(stream, Role::Client);
            inner.set_auto_close(true);
            return Ok(Self { inner });
        }
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        Err(Refusal {
            status: head[9..12].parse().unwrap(),
            problem: serde_json::from_slice(&body).unwrap(),
        })
    }

    /// With a token in the header; anything but a stream fails the test.
    pub(super) async fn follow(address: SocketAddr, token: &str, query: &str) -> Self {
        let path = format!("/api/v1/logs/stream{query}");
        let bearer = format!("Bearer {token}");
        Self::open(address, &path, &[("authorization", &bearer)])
            .await
            .unwrap()
    }

    /// The next frame; a close is one too: `{"type": "close", "code", "reason"}`.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            let frame = timeout(PATIENCE, self.inner.read_frame()).await;
            let frame = frame.expect("nothing comes").unwrap();
            match frame.opcode {
                OpCode::Text => return serde_json::from_slice(&frame.payload).unwrap(),
                OpCode::Close => {
                    let (code, reason) = frame.payload.split_at(2);
                    let code = u16::from_be_bytes([code[0], code[1]]);
                    let reason = str::from_utf8(reason).unwrap();
                    return json!({"type": "close", "code": code, "reason": reason});
                }
                OpCode::Ping | OpCode::Pong => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next frame that is no sign of life.
    pub(super) async fn next_but_heartbeats(&mut self) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] != "heartbeat" {
                return frame;
            }
        }
    }

    /// The cursor of the frame that says that what comes is live.
    pub(super) async fn ready(&mut self) -> String {
        let frame = self.next_but_heartbeats().await;
        assert_eq!(frame["type"], "ready", "{frame}");
        frame["cursor"].as_str().unwrap().to_owned()
    }

    /// The next `count` entries, passing over `ready`.
    pub(super) async fn entries(&mut self, count: usize) -> Vec<Value> {
        let mut entries = Vec::new();
        while entries.len() < count {
            let frame = self.next_but_heartbeats().await;
            match frame["type"].as_str().unwrap() {
                "entry" => entries.push(frame),
                "ready" => {}
                _ => panic!("{frame}"),
            }
        }
        entries
    }

    /// The last frame and the close, which say the same.
    pub(super) async fn ends(&mut self) -> (u16, String) {
        loop {
            let frame = self.next().await;
            if frame["type"] == "end" {
                let close = self.next().await;
                assert_eq!(close["reason"], frame["code"], "{close}");
                let code = u16::try_from(close["code"].as_u64().unwrap()).unwrap();
                return (code, frame["code"].as_str().unwrap().to_owned());
            }
            assert_ne!(frame["type"], "close", "{frame}");
        }
    }

    pub(super) async fn say(&mut self, text: &str) {
        let payload = Payload::Owned(text.as_bytes().to_vec());
        let frame = Frame::text(payload);
        self.inner.write_frame(frame).await.unwrap();
    }

    pub(super) async fn authenticate(&mut self, token: &str) {
        self.say(&json!({"type": "auth", "token": token}).to_string())
            .await;
    }
}

/// Partition and seq of an entry's frame.
pub(super) fn place(frame: &Value) -> (String, u64) {
    let entry = &frame["entry"];
    (
        entry["partition"].as_str().unwrap().to_owned(),
        entry["seq"].as_u64().unwrap(),
    )
}
