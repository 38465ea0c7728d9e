//! Evidence: checked here with independent code, as a client would.

use axum::body::Body;
use http_body_util::BodyExt as _;
use serde_json::json;
use sqlx::Executor as _;

use crate::auth::A;
use crate::independent;
use crate::world::{EVERYTHING, World, request};

#[tokio::test]
async fn lines_prove_a_chain_without_the_service() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let mut receipts = Vec::new();
    for _ in 0..2 {
        receipts.extend(world.fill(&backend, "default", 700).await);
    }
    let path = "/api/v1/partitions/default/evidence";
    let answer = world.get(&auditor, path).await;
    assert_eq!(answer.headers["content-type"], "application/jsonl");
    let lines = answer.lines();
    assert_eq!(lines.len(), receipts.len());
    for (line, receipt) in lines.iter().zip(&receipts) {
        assert_eq!(
            independent::evidence(line),
            receipt["hash"].as_str().unwrap()
        );
    }
    let some = world
        .get(&auditor, &format!("{path}?from=10&to=13"))
        .await
        .lines();
    assert_eq!(some, lines[10..13]);
    assert_eq!(
        world
            .get(&auditor, &format!("{path}?from=1400"))
            .await
            .lines(),
        [] as [serde_json::Value; 0]
    );
    assert_eq!(
        world
            .get(&auditor, &format!("{path}?from=1399&to=9999"))
            .await
            .lines(),
        lines[1399..]
    );
    world
        .get(&auditor, &format!("{path}?from=5&to=4"))
        .await
        .places(&["query.to"]);
    world
        .get(&auditor, &format!("{path}?from=-1"))
        .await
        .places(&["query.from"]);
    world
        .get(&auditor, "/api/v1/partitions/nowhere/evidence")
        .await
        .refused(404, "not_found");
    world
        .get(&auditor, "/api/v1/partitions/a%00/evidence")
        .await
        .places(&["path.p"]);

    let id = receipts[3]["id"].as_str().unwrap();
    let one = world
        .get(&auditor, &format!("/api/v1/logs/{id}/evidence"))
        .await
        .is(200);
    assert_eq!(one, lines[3]);
    world.end().await;
}

#[tokio::test]
async fn columns_come_with_the_lines_and_the_head_at_the_end() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let receipts = world.fill(&backend, "default", 3).await;
    let path = "/api/v1/partitions/default/evidence?columns=true";
    let lines = world.get(&auditor, path).await.lines();
    assert_eq!(lines.len(), 4);
    for (seq, (line, receipt)) in lines.iter().zip(&receipts).enumerate() {
        let place = json!({
            "id": receipt["id"], "partition": "default", "generation": 1, "seq": seq, "received_at": receipt["received_at"],
        });
        let expected = json!({
            "generation": 1, "seq": seq, "received_at": receipt["received_at"], "id": receipt["id"],
            "hash": receipt["hash"], "salt": true, "residue": false, "indexed": place,
        });
        assert_eq!(line["columns"], expected);
        assert_eq!(
            independent::evidence(line),
            receipt["hash"].as_str().unwrap()
        );
    }
    let head = json!({"generation": 1, "size": 3, "hash": receipts[2]["hash"], "received_at": receipts[2]["received_at"]});
    assert_eq!(lines[3], json!({ "head": head }));
    let rest = world.get(&auditor, &format!("{path}&from=2")).await.lines();
    assert_eq!(rest, lines[2..]);
    let some = world
        .get(&auditor, &format!("{path}&from=1&to=2"))
        .await
        .lines();
    assert_eq!(some, lines[1..2]);
    let empty = world
        .get(&auditor, "/api/v1/partitions/system/evidence?columns=true")
        .await
        .lines();
    assert!(empty.last().unwrap().get("head").is_some(), "{empty:?}");
    world.end().await;
}

#[tokio::test]
async fn an_answer_is_of_one_generation_from_its_first_line_to_its_last() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let mut receipts = Vec::new();
    for _ in 0..3 {
        receipts.extend(world.fill(&backend, "default", 700).await);
    }
    let asked = request("GET", &auditor, "/api/v1/partitions/default/evidence");
    let answer = world.open(asked.body(Body::empty()).unwrap()).await;
    let mut body = answer.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    // As a recovery does it.
    let next = "set session_replication_role = replica; \
        update ledger.chains set generation = 2, size = 0 where partition = 'default'";
    world.superuser().await.execute(next).await.unwrap();
    world.fill(&backend, "default", 700).await;
    let rest = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8([first, rest].concat()).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), receipts.len());
    for (line, receipt) in lines.iter().zip(&receipts) {
        assert_eq!(
            independent::evidence(line),
            receipt["hash"].as_str().unwrap()
        );
    }
    world.stop().await.discard().await;
}

#[tokio::test]
async fn only_who_may_verify_gets_evidence() {
    let world = World::start().await;
    let (backend, viewer) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "viewer"),
    );
    let receipts = world.fill(&backend, "default", 1).await;
    let id = receipts[0]["id"].as_str().unwrap();
    for path in [
        "/api/v1/partitions/default/evidence".to_owned(),
        "/api/v1/partitions/default/verify".to_owned(),
        "/api/v1/ids/unclaimed".to_owned(),
        format!("/api/v1/logs/{id}/evidence"),
    ] {
        for somebody in [&backend, &viewer] {
            world.get(somebody, &path).await.refused(403, "forbidden");
        }
    }
    assert_eq!(world.end().await, 1);
}
