//! Direct exports: what they hold, how they end, and what cannot be asked for.

use axum::body::Body;
use http_body_util::BodyExt as _;
use serde_json::json;
use sqlx::Executor as _;

use crate::auth::A;
use crate::world::{EVERYTHING, World, request};

pub(crate) const DIRECT: &str = "/api/v1/logs/export";

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
    let conditions = |count: usize| {
        let names = (0..count).map(|number| (format!("metadata.m{number}"), json!("x")));
        names.collect::<serde_json::Map<_, _>>()
    };
    for (body, place) in [
        (json!({"filter": conditions(65)}), "/filter"),
        (
            json!({"filter": {"metadata.a=b": "c"}}),
            "/filter/metadata.a=b",
        ),
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
