//! Exports: direct and as jobs, as far as log-service has them in hand.

use axum::body::Body;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sqlx::Executor as _;
use uuid::Uuid;

use crate::auth::{A, A_B, Somebody};
use crate::world::{Answer, EVERYTHING, World, request};

const DIRECT: &str = "/api/v1/logs/export";

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
async fn a_direct_export_is_what_was_there() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let admin = world.auth.user(A, "admin");
    world.create_partition(&admin, "invoices").await;
    world.fill(&backend, "default", 700).await;
    world.fill(&backend, "invoices", 3).await;
    let answer = world
        .get(&auditor, &format!("{DIRECT}?partitions=default,invoices"))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.headers["content-type"],
        "text/csv; charset=utf-8; header=present"
    );
    assert_eq!(answer.headers["cache-control"], "no-store");
    let disposition = answer.headers["content-disposition"].to_str().unwrap();
    assert!(
        disposition.starts_with("attachment; filename=\"veritrail-"),
        "{disposition}"
    );
    let lines: Vec<_> = std::str::from_utf8(&answer.body).unwrap().lines().collect();
    assert_eq!(lines.len(), 704);
    assert_eq!(lines[0], export::COLUMNS.join(","));
    assert!(lines[1].contains("Ann Example"));

    let path = format!("{DIRECT}?format=jsonl&action=user.*&partition=invoices");
    let entries = world.get(&auditor, &path).await.lines();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["seq"], 1);
    let path = format!("{DIRECT}?format=evidence&partition=invoices");
    assert_eq!(world.get(&auditor, &path).await.lines().len(), 3);

    let recorded = world.recorded(&auditor, "trail.export").await;
    assert_eq!(recorded.len(), 3);
    assert_eq!(
        recorded[1]["metadata"]["filter"],
        json!({"action": "user.*", "partition": "invoices"})
    );
    assert_eq!(recorded[1]["metadata"]["format"], "jsonl");
    assert_eq!(recorded[1]["actor"]["id"], json!(auditor.id));
    world.end().await;
}

#[tokio::test]
async fn the_end_of_a_direct_export_is_told() {
    let world = World::start().await;
    let backend = world.auth.service(A, EVERYTHING);
    let auditor = world.auth.user(A, "auditor");
    world.fill(&backend, "default", 5).await;
    let asked = request(
        "GET",
        &auditor,
        &format!("{DIRECT}?format=jsonl&gzip=true&partition=default"),
    );
    let answer = world.open(asked.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.headers()["content-type"], "application/gzip");
    assert!(!answer.headers().contains_key("content-encoding"));
    let body = answer.into_body().collect().await.unwrap();
    let trailers = body.trailers().unwrap().clone();
    let bytes = body.to_bytes();
    assert_eq!(trailers["veritrail-rows"], "5");
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&bytes);
    let digest = chain::Hash(digest.into()).to_string();
    assert_eq!(trailers["veritrail-sha256"], digest.as_str());
    world.end().await;
}

#[tokio::test]
async fn a_damaged_entry_breaks_a_direct_export_off() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    world.fill(&backend, "default", 1_000).await;
    let mut database = world.superuser().await;
    database
        .execute("set session_replication_role = replica; update ledger.entries set parts = replace(parts, 'Ann', 'Bob') where seq = 800 and partition = 'default'")
        .await
        .unwrap();
    let asked = request(
        "GET",
        &auditor,
        &format!("{DIRECT}?format=jsonl&partition=default"),
    );
    let mut body = world
        .open(asked.body(Body::empty()).unwrap())
        .await
        .into_body();
    let (mut failed, mut came) = (false, Vec::new());
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => came.extend_from_slice(&frame.into_data().unwrap()),
            Err(_) => failed = true,
        }
    }
    assert!(failed, "an answer that is cut short must not look whole");
    let lines = std::str::from_utf8(&came).unwrap().lines().count();
    assert!(lines <= 800, "{lines}");
    world.stop().await.discard().await;
}

#[tokio::test]
async fn a_direct_export_ends_when_its_reader_is_shut_out() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    for _ in 0..3 {
        world.fill(&backend, "default", 1_000).await;
    }
    let asked = request("GET", &auditor, DIRECT);
    let mut body = world
        .open(asked.body(Body::empty()).unwrap())
        .await
        .into_body();
    body.frame().await.unwrap().unwrap();
    world.publish(|set| set.principals.insert(auditor.id)).await;
    let mut failed = false;
    while let Some(frame) = body.frame().await {
        failed |= frame.is_err();
    }
    assert!(failed, "an answer that is cut short must not look whole");
    world.end().await;
}

#[tokio::test]
async fn what_cannot_be_exported_is_named() {
    let world = World::start().await;
    let auditor = world.auth.user(A, "auditor");
    for (query, place) in [
        ("format=xml", "query.format"),
        ("gzip=yes", "query.gzip"),
        ("partitions=No", "query.partitions"),
        ("partitions=default&partition=default", "query.partitions"),
        ("partition=nowhere", "query.partition"),
        ("order=asc", "query.order"),
        ("from=now", "query.from"),
        ("format=csv&format=csv", "query.format"),
        ("severity=bad", "query.severity"),
    ] {
        world
            .get(&auditor, &format!("{DIRECT}?{query}"))
            .await
            .places(&[place]);
    }
    for (body, place) in [
        (json!({"format": "xml"}), "/format"),
        (json!({"partitions": ["nowhere"]}), "/partitions"),
        (json!({"filter": {"order": "asc"}}), "/filter/order"),
        (
            json!({"filter": {"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}}),
            "/filter/to",
        ),
        (json!({"id": "x"}), "/id"),
    ] {
        world
            .post(&auditor, "/api/v1/exports", &body)
            .await
            .places(&[place]);
    }
    world
        .get(&auditor, "/api/v1/exports?limit=0")
        .await
        .places(&["query.limit"]);
    world.end().await;
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
