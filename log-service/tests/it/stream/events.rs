//! The same over server-sent events, read as WHATWG HTML §9.2.6 says.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::client::Socket;
use crate::auth::{A, Somebody};
use crate::world::{EVERYTHING, World, request};

struct Events {
    body: BodyDataStream,
    text: String,
}

#[derive(Debug)]
struct Event {
    id: Option<String>,
    name: String,
    data: Value,
}

fn asked(who: &Somebody, query: &str, last: Option<&str>) -> Request<Body> {
    let path = format!("/api/v1/logs/stream{query}");
    let mut request =
        request("GET", who, &path).header("accept", "text/event-stream;q=1, */*;q=0.1");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    request.body(Body::empty()).unwrap()
}

impl Events {
    async fn follow(world: &World, who: &Somebody, query: &str, last: Option<&str>) -> Self {
        let answer = world.open(asked(who, query, last)).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        Self {
            body: answer.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = block.lines();
                    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                };
                let event = Event {
                    id: field("id").map(str::to_owned),
                    name: field("event").unwrap().to_owned(),
                    data: serde_json::from_str(field("data").unwrap()).unwrap(),
                };
                assert_eq!(event.data["type"], event.name.as_str());
                assert_eq!(event.data["cursor"].as_str(), event.id.as_deref());
                self.text = rest.into();
                return Some(event);
            }
            let chunk = timeout(Duration::from_secs(20), self.body.next()).await;
            let chunk = chunk.expect("nothing comes")?.unwrap();
            self.text.push_str(str::from_utf8(&chunk).unwrap());
        }
    }

    async fn but_heartbeats(&mut self) -> Event {
        loop {
            let event = self.next().await.unwrap();
            if event.name != "heartbeat" {
                return event;
            }
        }
    }

    async fn named(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.unwrap();
            if event.name == name {
                return event;
            }
        }
    }
}

#[tokio::test]
async fn events_come_with_ids_that_a_client_goes_on_from() {
    let world = World::start().await;
    let (backend, viewer) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "viewer"),
    );
    let mut events = Events::follow(&world, &viewer, "", None).await;
    let ready = events.named("ready").await.id.unwrap();
    world.fill(&backend, "default", 3).await;
    let mut ids = Vec::new();
    for seq in 0..3 {
        let event = events.named("entry").await;
        assert_eq!(event.data["entry"]["seq"], seq);
        assert!(event.data["entry"].get("context").is_none(), "{event:?}");
        ids.push(event.id.unwrap());
    }
    drop(events);
    world.fill(&backend, "default", 1).await;
    // The header, as browsers send it, wins over the address it began with.
    let query = format!("?after={ready}");
    let mut events = Events::follow(&world, &viewer, &query, Some(&ids[1])).await;
    for seq in 2..4 {
        assert_eq!(events.named("entry").await.data["entry"]["seq"], seq);
    }
    events.named("ready").await;
    world
        .send(asked(&viewer, "", Some("nonsense")))
        .await
        .places(&["header.last-event-id"]);
    world
        .send(asked(&viewer, "?after=nonsense", None))
        .await
        .places(&["query.after"]);
    world
        .send(asked(&viewer, "?to=2030-01-01T00:00:00Z&token=x", None))
        .await
        .places(&["query.to", "query.token"]);
    world.end().await;
}

#[tokio::test]
async fn the_last_event_says_why_and_the_answer_ends() {
    let world = World::start().await;
    let viewer = world.auth.user(A, "viewer");
    let mut events = Events::follow(&world, &viewer, "", None).await;
    world.publish(|set| set.principals.insert(viewer.id)).await;
    assert_eq!(events.named("end").await.data["code"], "credential_revoked");
    assert!(events.next().await.is_none());
    world
        .send(asked(&viewer, "", None))
        .await
        .refused(401, "credential_revoked");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_of_events_hears_what_he_missed() {
    const ROUNDS: u64 = 12;
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let mut slow = Events::follow(&world, &auditor, "?partition=default", None).await;
    slow.named("ready").await;
    let address = world.serve(&world.state).await;
    let mut quick = Socket::follow(address, &auditor.token, "?partition=default").await;
    quick.ready().await;
    // About 1 MiB a round: more than a mailbox holds.
    let entry = json!({"action": "a", "metadata": {"text": "x".repeat(60_000)}});
    let body = json!({"entries": vec![entry; 16]});
    for _ in 0..ROUNDS {
        world
            .post(&backend, "/api/v1/logs/bulk", &body)
            .await
            .is(201);
        quick.entries(16).await;
    }
    let (mut next, mut missed) = (0, 0);
    while next < ROUNDS * 16 {
        let event = slow.next().await.unwrap();
        match event.name.as_str() {
            "lagged" => {
                assert_eq!(event.data["from"], next, "{event:?}");
                let to = event.data["to"].as_u64().unwrap();
                missed += to - next;
                next = to;
            }
            "entry" => {
                assert_eq!(event.data["entry"]["seq"], next);
                next += 1;
            }
            other => assert_eq!(other, "heartbeat"),
        }
    }
    assert!(missed > 0);
    // What he took last counts until he asks for more, so the first one may find no room. The second one does.
    world.fill(&backend, "default", 1).await;
    let mut event = slow.but_heartbeats().await;
    if event.name == "lagged" {
        assert_eq!(
            (&event.data["from"], &event.data["to"]),
            (&json!(next), &json!(next + 1))
        );
        next += 1;
        world.fill(&backend, "default", 1).await;
        event = slow.but_heartbeats().await;
    }
    assert_eq!(event.data["entry"]["seq"], next, "{event:?}");
    world.end().await;
}
