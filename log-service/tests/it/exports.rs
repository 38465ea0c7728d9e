//! Exports as jobs, as far as log-service has them in hand.

mod asking;

use axum::body::Body;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sqlx::Executor as _;
use uuid::Uuid;

use crate::auth::{A, A_B, Somebody};
use crate::direct_exports::DIRECT;
use crate::world::{Answer, EVERYTHING, World, request};

/// A download with these headers.
async fn download(world: &World, who: &Somebody, id: &str, headers: &[(&str, &str)]) -> Answer {
    let mut asked = request("GET", who, &format!("/api/v1/exports/{id}/download"));
    for (name, value) in headers {
        asked = asked.header(*name, *value);
    }
    world.send(asked.body(Body::empty()).unwrap()).await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn asking_twice_is_asking_once() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    world.fill(&backend, "default", 2).await;
    let id = Uuid::now_v7();
    let asked = json!({"id": id, "format": "csv", "filter": {"action": "invoice.*"}});
    let made = world.post(&auditor, "/api/v1/exports", &asked).await;
    assert_eq!(
        made.headers["location"],
        format!("/api/v1/exports/{id}").as_str()
    );
    let made = made.is(201);
    assert_eq!(
        (text(&made["state"]), text(&made["created_by"])),
        ("queued", format!("user:{}", auditor.id).as_str())
    );
    assert_eq!(
        world
            .post(&auditor, "/api/v1/exports", &asked)
            .await
            .is(200),
        made
    );
    let other = json!({"id": id, "format": "jsonl"});
    world
        .post(&auditor, "/api/v1/exports", &other)
        .await
        .refused(409, "id_taken");

    let keyed = async |key: &str| {
        let asked = request("POST", &auditor, "/api/v1/exports")
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        world.send(asked.body("{}".into()).unwrap()).await
    };
    let first = keyed("monday").await.is(201);
    assert_eq!(keyed("monday").await.is(200)["id"], first["id"]);
    assert_ne!(keyed("tuesday").await.is(201)["id"], first["id"]);
    keyed("wednesday").await.is(201);
    let busy = keyed("thursday").await;
    busy.refused(429, "too_many_requests");
    assert!(busy.headers.contains_key("retry-after"));
    // Four were made, and each is on the trail once.
    assert_eq!(world.recorded(&auditor, "export.create").await.len(), 4);
    // Another tenant has places of its own, and sees none of these.
    let stranger = world.auth.user(A_B, "admin");
    world
        .post(&stranger, "/api/v1/exports", &asked)
        .await
        .is(201);
    let listed = world.get(&stranger, "/api/v1/exports").await.is(200);
    assert_eq!(listed["exports"].as_array().unwrap().len(), 1);

    let page = world.get(&auditor, "/api/v1/exports?limit=3").await.is(200);
    assert_eq!(page["exports"].as_array().unwrap().len(), 3);
    let rest = format!("/api/v1/exports?limit=3&after={}", text(&page["next"]));
    let rest = world.get(&auditor, &rest).await.is(200);
    assert_eq!(rest["exports"][0]["id"], json!(id));
    assert_eq!(rest["next"], Value::Null);
    world.end().await;
}

#[tokio::test]
async fn a_file_is_downloaded_whole_and_in_parts() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    world.fill(&backend, "default", 50).await;
    let job = world
        .export(
            &auditor,
            &json!({"format": "csv", "partitions": ["default"]}),
        )
        .await;
    assert_eq!(
        (text(&job["state"]), job["result"]["rows"].as_u64()),
        ("finished", Some(50))
    );
    assert_eq!(
        job["progress"],
        json!({"rows": 50, "scanned": 50, "total": 50})
    );
    let heads = world.get(&auditor, "/api/v1/partitions").await.is(200);
    assert_eq!(job["chains"][0]["hash"], heads["partitions"][0]["hash"]);
    let id = text(&job["id"]);
    let whole = download(&world, &auditor, id, &[]).await;
    assert_eq!(whole.status, 200);
    let length = whole.body.len();
    assert_eq!(whole.headers["content-length"], length.to_string().as_str());
    assert_eq!(job["result"]["bytes"], length);
    let etag = whole.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(etag, format!("\"{}\"", text(&job["result"]["sha256"])));
    let direct = world
        .get(&auditor, &format!("{DIRECT}?partition=default"))
        .await;
    assert_eq!(direct.body, whole.body, "both ways give the same bytes");

    let part = download(
        &world,
        &auditor,
        id,
        &[("range", "bytes=100-199"), ("if-range", &etag)],
    )
    .await;
    assert_eq!(part.status, 206);
    assert_eq!(
        part.headers["content-range"],
        format!("bytes 100-199/{length}").as_str()
    );
    assert_eq!(part.body, whole.body[100..200]);
    let rest = download(&world, &auditor, id, &[("range", "bytes=200-")]).await;
    assert_eq!(rest.body, whole.body[200..]);
    let changed = download(
        &world,
        &auditor,
        id,
        &[("range", "bytes=5-"), ("if-range", "\"other\"")],
    )
    .await;
    assert_eq!((changed.status.as_u16(), changed.body.len()), (200, length));
    let beyond = format!("bytes={length}-");
    let beyond = download(&world, &auditor, id, &[("range", &beyond)]).await;
    beyond.refused(416, "range_not_satisfiable");
    assert_eq!(
        beyond.headers["content-range"],
        format!("bytes */{length}").as_str()
    );
    let same = download(&world, &auditor, id, &[("if-none-match", &etag)]).await;
    assert_eq!((same.status.as_u16(), same.body.len()), (304, 0));

    let link = world
        .get(
            &auditor,
            &format!("/api/v1/exports/{id}/download?link=true"),
        )
        .await;
    link.refused(409, "no_links");
    // Each that was given out, and the link that was asked for.
    assert_eq!(world.recorded(&auditor, "export.download").await.len(), 5);
    let stranger = world.auth.user(A_B, "admin");
    download(&world, &stranger, id, &[])
        .await
        .refused(404, "not_found");
    world.end().await;
}

#[tokio::test]
async fn a_file_that_somebody_changed_is_not_given_out() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    world.fill(&backend, "default", 5).await;
    let job = world.export(&auditor, &json!({"format": "jsonl"})).await;
    let id = text(&job["id"]);
    let store = store::open(&world.database.store_url(), None)
        .await
        .unwrap();
    let key = store.list("exports/", None, 2).await.unwrap().remove(0).key;
    let mut bytes = download(&world, &auditor, id, &[]).await.body;
    bytes[10] ^= 1;
    let replace = async |bytes: Vec<u8>| {
        let mut upload = store.write(&key).await.unwrap();
        upload.write(bytes.into()).await.unwrap();
        upload.finish().await.unwrap();
    };
    replace(bytes.clone()).await;
    let asked = request("GET", &auditor, &format!("/api/v1/exports/{id}/download"));
    let answer = world.open(asked.body(Body::empty()).unwrap()).await;
    answer.into_body().collect().await.unwrap_err();
    bytes.pop();
    replace(bytes).await;
    download(&world, &auditor, id, &[])
        .await
        .refused(500, "internal");
    store.delete(&key).await.unwrap();
    download(&world, &auditor, id, &[])
        .await
        .refused(409, "export_expired");
    world.end().await;
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    world.fill(&backend, "default", 5).await;
    let made = world
        .post(&auditor, "/api/v1/exports", &json!({}))
        .await
        .is(201);
    let path = format!("/api/v1/exports/{}", text(&made["id"]));
    download(&world, &auditor, text(&made["id"]), &[])
        .await
        .refused(409, "export_not_finished");
    let stranger = world.auth.user(A_B, "admin");
    world
        .delete(&stranger, &path)
        .await
        .refused(404, "not_found");
    assert_eq!(
        world.delete(&auditor, &path).await.is(200)["state"],
        "cancelled"
    );
    assert_eq!(
        world.delete(&auditor, &path).await.is(200)["state"],
        "cancelled"
    );
    download(&world, &auditor, text(&made["id"]), &[])
        .await
        .refused(409, "export_failed");

    let job = world.export(&auditor, &json!({})).await;
    let path = format!("/api/v1/exports/{}", text(&job["id"]));
    assert_eq!(
        world.delete(&auditor, &path).await.is(200)["state"],
        "expired"
    );
    download(&world, &auditor, text(&job["id"]), &[])
        .await
        .refused(409, "export_expired");
    let store = store::open(&world.database.store_url(), None)
        .await
        .unwrap();
    assert_eq!(store.list("", None, 1).await.unwrap(), []);
    assert_eq!(world.recorded(&auditor, "export.delete").await.len(), 3);
    world.end().await;
}

#[tokio::test]
async fn a_failed_job_names_the_entry() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    world.fill(&backend, "default", 5).await;
    let mut database = world.superuser().await;
    database
        .execute("set session_replication_role = replica; delete from ledger.entries where seq = 3 and partition = 'default'")
        .await
        .unwrap();
    let job = world
        .export(&auditor, &json!({"partitions": ["default"]}))
        .await;
    assert_eq!(job["state"], "failed");
    assert_eq!(job["failure"]["code"], "damaged_entry");
    assert_eq!(job["failure"]["entry"]["seq"], 3);
    world.stop().await.discard().await;
}
