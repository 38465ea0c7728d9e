//! Following: what was there and what comes, over a WebSocket and as server-sent events. Each entry comes once and in
//! order, whichever replica it was posted to.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::system::System;
use crate::tenants::Tenant;

const PATIENCE: Duration = Duration::from_secs(30);
const QUERY: &str = "/api/v1/logs/stream?partition=default&from=2020-01-01T00:00:00Z";
/// More than replicas, each on a connection of its own, which the entry gives to another one.
const MORE: usize = 6;

/// Appends more; the receipts are all there are then.
pub(super) async fn follow(
    system: &System,
    tenant: &Tenant,
    mut receipts: Vec<Value>,
) -> Vec<Value> {
    let viewer = tenant.people["viewer"].token.as_str();
    let mut socket = Socket::open(system, viewer).await;
    let mut events = Events::open(system, viewer).await;
    for receipt in &receipts {
        assert_eq!(socket.entry().await, receipt["id"]);
        assert_eq!(events.entry().await, receipt["id"]);
    }
    for number in 0..MORE {
        let entry = json!({"action": "door.closed", "metadata": {"number": number}});
        let logs = format!("{}/api/v1/logs", system.url);
        let made = system
            .send(Method::POST, &logs, &tenant.api_key, Some(&entry))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        assert_eq!(socket.entry().await, made.body["id"]);
        assert_eq!(events.entry().await, made.body["id"]);
        receipts.push(made.body);
    }
    receipts
}

struct Socket(
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>,
);

impl Socket {
    /// The credential is its first message.
    async fn open(system: &System, token: &str) -> Self {
        let url = format!("{}{QUERY}", system.url.replacen("http", "ws", 1));
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let token = json!({"type": "auth", "token": token}).to_string();
        socket.send(Message::text(token)).await.unwrap();
        Self(socket)
    }

    /// The id of the next entry.
    async fn entry(&mut self) -> Value {
        loop {
            let message = timeout(PATIENCE, self.0.next())
                .await
                .expect("nothing comes");
            if let Message::Text(text) = message.unwrap().unwrap()
                && let Some(id) = id(&text)
            {
                return id;
            }
        }
    }
}

struct Events {
    answer: reqwest::Response,
    text: String,
}

impl Events {
    async fn open(system: &System, token: &str) -> Self {
        let request = system.client.get(format!("{}{QUERY}", system.url));
        let request = request
            .bearer_auth(token)
            .header("accept", "text/event-stream");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        Self {
            answer,
            text: String::new(),
        }
    }

    /// The id of the next entry.
    async fn entry(&mut self) -> Value {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                let id = id(data.unwrap());
                self.text = rest.into();
                if let Some(id) = id {
                    return id;
                }
            }
            let chunk = timeout(PATIENCE, self.answer.chunk()).await;
            let chunk = chunk.expect("nothing comes").unwrap().unwrap();
            self.text.push_str(str::from_utf8(&chunk).unwrap());
        }
    }
}

/// Of an entry; what says only that the stream lives has none, and anything else fails the test.
fn id(frame: &str) -> Option<Value> {
    let frame: Value = serde_json::from_str(frame).unwrap();
    match frame["type"].as_str().unwrap() {
        "entry" => Some(frame["entry"]["id"].clone()),
        "ready" | "heartbeat" | "authenticated" => None,
        _ => panic!("{frame}"),
    }
}
