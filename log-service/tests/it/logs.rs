//! What is logged never holds a token or what was posted.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;

use crate::auth::A;
use crate::world::{EVERYTHING, World};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Kept {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

const PLANTED: &str = "planted-4711";

fn planted() -> Value {
    json!({
        "id": Uuid::now_v7(), "action": "a.b",
        "actor": {"type": "user", "id": "u", "name": PLANTED, "email": "planted-4711@example.com"},
        "targets": [{"type": "t", "id": "t", "name": PLANTED}],
        "description": PLANTED, "metadata": {PLANTED: PLANTED},
        "context": {"ip": PLANTED, "user_agent": PLANTED},
    })
}

#[tokio::test]
async fn neither_tokens_nor_entries_nor_queries_are_logged() {
    let kept = Kept::default();
    let subscriber = service::telemetry::json("trace", kept.clone()).unwrap();
    let logging = tracing::subscriber::set_default(subscriber);
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let mut entry = planted();
    let receipt = world.append(&backend, &entry).await.is(201);
    entry["description"] = "planted-4711 changed".into();
    world.append(&backend, &entry).await.is(409);
    entry["severity"] = PLANTED.into();
    world.append(&backend, &entry).await.is(422);
    world
        .post(
            &backend,
            "/api/v1/logs/bulk",
            &json!({"entries": [planted(), {"action": PLANTED, "x": PLANTED}]}),
        )
        .await
        .is(422);
    let id = receipt["id"].as_str().unwrap();
    world
        .get(&auditor, &format!("/api/v1/logs/{id}"))
        .await
        .is(200);
    world
        .get(&auditor, &format!("/api/v1/logs?ip={PLANTED}"))
        .await
        .is(200);
    world
        .get(&auditor, &format!("/api/v1/logs?{PLANTED}=1"))
        .await
        .is(422);
    world
        .get(&auditor, "/api/v1/partitions/default/evidence?columns=true")
        .await
        .lines();
    world
        .get(&auditor, "/api/v1/partitions/default/verify")
        .await
        .is(200);
    world.end().await;
    drop(logging);
    let logged = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("/api/v1/logs"), "requests are logged");
    assert!(!logged.contains("4711"), "an entry was logged");
    for somebody in [&backend, &auditor] {
        let signature = somebody.token.rsplit_once('.').unwrap().1;
        assert!(!logged.contains(signature), "a token was logged");
    }
}
