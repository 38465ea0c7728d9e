//! Appending one entry: receipts, repeats, conflicts, and who may say what.

use axum::body::Body;
use serde_json::{Value, json};
use sqlx::Executor as _;
use uuid::Uuid;

use crate::auth::{A, A_B};
use crate::world::{EVERYTHING, World, request};

fn entry() -> Value {
    json!({
        "action": "invoice.paid",
        "actor": {"type": "user", "id": "u-1", "name": "Ann Example"},
        "description": "second half",
    })
}

#[tokio::test]
async fn a_receipt_is_what_was_stored_and_what_can_be_read() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let first = world.append(&backend, &entry()).await.is(201);
    let second = world.append(&backend, &entry()).await.is(201);
    assert_eq!(
        (first["seq"].as_u64(), second["seq"].as_u64()),
        (Some(0), Some(1))
    );
    assert_eq!(second["previous"], first["hash"]);
    assert_eq!(second["partition"], "default");
    assert!(second.get("repeated").is_none());

    let path = format!("/api/v1/logs/{}", second["id"].as_str().unwrap());
    let answer = world.get(&auditor, &path).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let read = answer.is(200);
    for member in ["id", "seq", "hash", "previous", "received_at", "partition"] {
        assert_eq!(read[member], second[member], "{member}");
    }
    assert_eq!(read["actor"], entry()["actor"]);
    assert_eq!(read["description"], "second half");
    assert_eq!(read["recorded_by"], format!("service:{}", backend.id));
    assert_eq!(read["tenant"], A.code);
    world.end().await;
}

#[tokio::test]
async fn the_same_id_gets_the_first_receipt_and_never_another_entry() {
    let world = World::start().await;
    let (backend, admin) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "admin"),
    );
    world.create_partition(&admin, "other").await;
    let mut entry = entry();
    entry["id"] = json!(Uuid::now_v7());
    let first = world.append(&backend, &entry).await.is(201);
    let mut again = world.append(&backend, &entry).await.is(200);
    assert_eq!(again["repeated"], true);
    again.as_object_mut().unwrap().remove("repeated");
    assert_eq!(again, first);
    // Another replica of the backend may finish what the first one began.
    let twin = world.auth.service(A, EVERYTHING);
    world.append(&twin, &entry).await.is(200);

    for (member, value) in [
        ("description", json!("forged")),
        ("partition", json!("other")),
        ("severity", json!("error")),
    ] {
        let mut changed = entry.clone();
        changed[member] = value;
        let problem = world
            .append(&backend, &changed)
            .await
            .refused(409, "id_conflict");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("/id: "), "{detail}");
        assert!(detail.contains("partition default, seq 0"), "{detail}");
    }
    // Who may not write there is not told where it is.
    let narrow = world.auth.service(A, "actor:* action:* partition:other");
    let mut moved = entry.clone();
    moved["partition"] = "other".into();
    let problem = world
        .append(&narrow, &moved)
        .await
        .refused(409, "id_conflict");
    assert!(
        !problem["detail"].as_str().unwrap().contains("default"),
        "{problem}"
    );
    // The same id in another tenant is another entry.
    let stranger = world.auth.service(A_B, EVERYTHING);
    world.append(&stranger, &entry).await.is(201);
    world.end().await;
}

#[tokio::test]
async fn an_idempotency_key_makes_ids() {
    let world = World::start().await;
    let backend = world.auth.service(A, EVERYTHING);
    let post = |who, key: &'static str, body: Value| {
        let request = request("POST", who, "/api/v1/logs")
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        world.send(request.body(body.to_string().into()).unwrap())
    };
    let first = post(&backend, "order-1", entry()).await.is(201);
    let again = post(&backend, "order-1", entry()).await.is(200);
    assert_eq!(first["id"], again["id"]);
    let mut empty = entry();
    empty["id"] = Value::Null;
    assert_eq!(
        post(&backend, "order-1", empty.clone()).await.is(200)["id"],
        first["id"]
    );
    empty["id"] = "".into();
    assert_eq!(
        post(&backend, "order-1", empty).await.is(200)["id"],
        first["id"]
    );
    let other = post(&backend, "order-2", entry()).await.is(201);
    assert_ne!(first["id"], other["id"]);
    let twin = world.auth.service(A, EVERYTHING);
    let theirs = post(&twin, "order-1", entry()).await.is(201);
    assert_ne!(
        first["id"], theirs["id"],
        "two backends may choose the same key"
    );
    post(&backend, "order-1", json!({"action": "other"}))
        .await
        .refused(409, "id_conflict");
    let own = json!({"id": Uuid::now_v7(), "action": "own"});
    let kept = post(&backend, "order-3", own.clone()).await.is(201);
    assert_eq!(kept["id"], own["id"], "an id of the body stays");
    for bad in ["", "a b", &"x".repeat(256)] {
        let request = request("POST", &backend, "/api/v1/logs")
            .header("content-type", "application/json")
            .header("idempotency-key", bad);
        let answer = world
            .send(request.body(entry().to_string().into()).unwrap())
            .await;
        answer.places(&["header.idempotency-key"]);
    }
    // What is refused is refused with the key as without it.
    post(&backend, "order-4", json!({"acton": "x"}))
        .await
        .places(&["/acton", "/action"]);
    world.end().await;
}

#[tokio::test]
async fn everything_that_is_wrong_is_named() {
    let world = World::start().await;
    let backend = world.auth.service(A, EVERYTHING);
    for (body, places) in [
        (json!({}), &["/action"][..]),
        (json!([]), &[""]),
        (
            json!({"action": "a", "tenant": "x", "severity": "bad"}),
            &["/severity", "/tenant"],
        ),
        (
            json!({"action": "a", "partition": "missing"}),
            &["/partition"],
        ),
        (
            json!({"action": "a", "partition": "system"}),
            &["/partition"],
        ),
        (
            json!({"action": "a", "actor": {"type": "user", "id": "ann@example.com"}}),
            &["/actor/id"],
        ),
        (
            json!({"action": "a", "actor": {"type": "job", "id": "j", "on_behalf_of": [{"type": "user", "id": "a@b.cd"}]},
                   "targets": [{"type": "user", "id": "ok"}, {"type": "user", "id": "x@y.zz"}]}),
            &["/actor/on_behalf_of/0/id", "/targets/1/id"],
        ),
    ] {
        let answer = world.append(&backend, &body).await;
        let problem = answer.is(422);
        let mut found: Vec<_> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["path"].as_str().unwrap())
            .collect();
        found.sort_unstable();
        assert_eq!(found, places, "{body}");
    }
    let raw = |content_type: &'static str, body: Vec<u8>| {
        let request =
            request("POST", &backend, "/api/v1/logs").header("content-type", content_type);
        world.send(request.body(Body::from(body)).unwrap())
    };
    for bad in [
        &b""[..],
        b"{",
        b"{\"action\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
        b"nul",
    ] {
        raw("application/json", bad.to_vec()).await.places(&[""]);
    }
    raw("text/plain", b"{}".to_vec())
        .await
        .refused(415, "unsupported_media_type");
    raw("application/json", vec![b' '; (1 << 20) + 1])
        .await
        .refused(413, "too_large");
    let large = json!({"action": "a", "description": "x".repeat(256 << 10)});
    world.append(&backend, &large).await.places(&[""]);
    let deep = format!(
        "{{\"action\":\"a\",\"metadata\":{{\"a\":{}1{}}}}}",
        "[".repeat(40),
        "]".repeat(40)
    );
    assert_eq!(raw("application/json", deep.into_bytes()).await.status, 422);
    assert_eq!(world.end().await, 0);
}

#[tokio::test]
async fn a_user_records_himself_only() {
    let world = World::start().await;
    let admin = world.auth.user(A, "admin");
    let auditor = world.auth.user(A, "auditor");
    world
        .append(&admin, &json!({"action": "note.added"}))
        .await
        .is(201);
    let himself =
        json!({"action": "note.added", "actor": {"type": "user", "id": admin.id, "name": "Ann"}});
    let receipt = world.append(&admin, &himself).await.is(201);
    for other in [
        json!({"type": "user", "id": "u-2"}),
        json!({"type": "service", "id": admin.id}),
    ] {
        let entry = json!({"action": "note.added", "actor": other});
        world.append(&admin, &entry).await.places(&["/actor"]);
    }
    let path = format!("/api/v1/logs/{}", receipt["id"].as_str().unwrap());
    let read = world.get(&auditor, &path).await.is(200);
    assert_eq!(read["actor"]["id"], json!(admin.id));
    for role in ["auditor", "viewer"] {
        let reader = world.auth.user(A, role);
        world
            .append(&reader, &json!({"action": "a"}))
            .await
            .refused(403, "forbidden");
    }
    world.end().await;
}

#[tokio::test]
async fn a_service_account_stays_within_its_scopes() {
    let world = World::start().await;
    let admin = world.auth.user(A, "admin");
    world.create_partition(&admin, "invoices").await;
    let narrow = world
        .auth
        .service(A, "actor:user partition:invoices action:invoice");
    let fine = json!({"partition": "invoices", "action": "invoice.paid", "actor": {"type": "user", "id": "u"}});
    world.append(&narrow, &fine).await.is(201);
    for (member, value, place) in [
        ("partition", json!("default"), "/partition"),
        ("action", json!("invoices.paid"), "/action"),
        ("action", json!("user.login"), "/action"),
        ("actor", json!({"type": "job", "id": "j"}), "/actor"),
    ] {
        let mut entry = fine.clone();
        entry[member] = value;
        world.append(&narrow, &entry).await.places(&[place]);
    }
    let own = json!({"partition": "invoices", "action": "invoice.sent"});
    world.append(&narrow, &own).await.is(201);
    let named = json!({"partition": "invoices", "action": "invoice.sent", "actor": {"type": "service", "id": narrow.id}});
    world.append(&narrow, &named).await.is(201);
    let nothing = world.auth.service(A, "");
    world
        .append(&nothing, &json!({"action": "a"}))
        .await
        .places(&["/partition", "/action"]);
    world.end().await;
}

#[tokio::test]
async fn only_the_installation_writes_to_system() {
    let world = World::start().await;
    let outbox = world.auth.system(A);
    let entry = json!({
        "id": Uuid::now_v7(), "partition": "system", "action": "user.login",
        "actor": {"type": "user", "id": "u-1", "name": "ann"},
        "targets": [{"type": "user", "id": "ann@example.com"}],
    });
    world.append(&outbox, &entry).await.is(201);
    world.append(&outbox, &entry).await.is(200);
    world
        .append(&outbox, &json!({"action": "a"}))
        .await
        .places(&["/partition"]);
    world
        .get(&outbox, "/api/v1/logs")
        .await
        .refused(403, "forbidden");
    for somebody in [
        world.auth.user(A, "admin"),
        world.auth.service(A, EVERYTHING),
    ] {
        let entry = json!({"partition": "system", "action": "user.login"});
        world
            .append(&somebody, &entry)
            .await
            .places(&["/partition"]);
    }
    assert_eq!(world.end().await, 1);
}

#[tokio::test]
async fn a_database_that_went_back_in_time_stops_its_chain() {
    let world = World::start().await;
    let (backend, admin) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "admin"),
    );
    world.create_partition(&admin, "other").await;
    world.append(&backend, &entry()).await.is(201);
    let mut database = world.superuser().await;
    database
        .execute("create table kept as select * from ledger.chains where partition = 'default'")
        .await
        .unwrap();
    world.append(&backend, &entry()).await.is(201);
    database
        .execute(
            "set session_replication_role = replica;
             delete from ledger.entries where partition = 'default' and seq = 1;
             delete from ledger.entry_ids where partition = 'default' and seq = 1;
             delete from ledger.chains where partition = 'default';
             insert into ledger.chains select * from kept",
        )
        .await
        .unwrap();
    let answer = world.append(&backend, &entry()).await;
    answer.refused(503, "rollback_detected");
    assert_eq!(answer.headers["retry-after"], "60");
    let mut elsewhere = entry();
    elsewhere["partition"] = "other".into();
    world.append(&backend, &elsewhere).await.is(201);
    world.stop().await.discard().await;
}
