//! What somebody does to the database is told in its place, and keeps nobody from the rest.

use serde_json::{Value, json};
use sqlx::Executor as _;

use super::client::Socket;
use crate::auth::A;
use crate::world::{EVERYTHING, World};

/// As a superuser who switches the triggers off.
async fn tamper(world: &World, statement: &str) {
    let mut superuser = world.superuser().await;
    let statement = format!("set session_replication_role = replica; {statement}");
    superuser
        .execute(sqlx::AssertSqlSafe(statement))
        .await
        .unwrap();
}

/// Type, first seq and the seq behind the last, of frames of `default`.
async fn stretches(socket: &mut Socket, count: usize) -> Vec<(String, u64, u64)> {
    let mut stretches = Vec::new();
    while stretches.len() < count {
        let frame = socket.next_but_heartbeats().await;
        let kind = frame["type"].as_str().unwrap().to_owned();
        let number = |value: &Value| value.as_u64().unwrap();
        match kind.as_str() {
            "ready" => {}
            "entry" => {
                let seq = number(&frame["entry"]["seq"]);
                stretches.push((kind, seq, seq + 1));
            }
            _ => stretches.push((kind, number(&frame["from"]), number(&frame["to"]))),
        }
    }
    stretches
}

fn told(kind: &str, from: u64, to: u64) -> (String, u64, u64) {
    (kind.to_owned(), from, to)
}

const BEGINNING: &str = "?partition=default&from=2020-01-01T00:00:00Z";

#[tokio::test]
async fn what_cannot_be_read_is_named_and_passed_over() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let address = world.serve(&world.state).await;
    world.fill(&backend, "default", 7).await;
    tamper(
        &world,
        "delete from ledger.entries where partition = 'default' and seq = 1",
    )
    .await;
    tamper(
        &world,
        "update ledger.entries set event = '{' where partition = 'default' and seq = 3",
    )
    .await;
    let loose = "alter table ledger.entries drop constraint if exists entries_shape";
    tamper(&world, loose).await;
    tamper(
        &world,
        "update ledger.entries set salt = '' where partition = 'default' and seq = 5",
    )
    .await;
    let mut socket = Socket::follow(address, &auditor.token, BEGINNING).await;
    let expected = [
        told("entry", 0, 1),
        told("unreadable", 1, 2),
        told("entry", 2, 3),
        told("unreadable", 3, 4),
        told("entry", 4, 5),
        told("unreadable", 5, 6),
        told("entry", 6, 7),
    ];
    assert_eq!(stretches(&mut socket, 7).await, expected);
    // Live: a head that is further than its entries.
    tamper(
        &world,
        "update ledger.chains set size = size + 2 where partition = 'default'",
    )
    .await;
    assert_eq!(stretches(&mut socket, 1).await, [told("unreadable", 7, 9)]);
    world.stop().await.discard().await;
}

#[tokio::test]
async fn a_head_that_goes_back_ends_the_stream_and_a_next_generation_goes_on() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let address = world.serve(&world.state).await;
    world.fill(&backend, "default", 3).await;
    let mut ends = Socket::follow(address, &auditor.token, "?partition=default").await;
    let cursor = ends.ready().await;
    tamper(
        &world,
        "update ledger.chains set size = 2 where partition = 'default'",
    )
    .await;
    assert_eq!(ends.ends().await, (4503, "rollback_detected".to_owned()));
    // A cursor from before is not taken for one of now.
    let bearer = format!("Bearer {}", auditor.token);
    let path = format!("/api/v1/logs/stream?partition=default&after={cursor}");
    let refusal = Socket::open(address, &path, &[("authorization", &bearer)]).await;
    assert_eq!(
        refusal.err().unwrap().problem["errors"][0]["path"],
        "query.after"
    );

    tamper(
        &world,
        "update ledger.chains set size = 3 where partition = 'default'",
    )
    .await;
    let after = format!("?partition=default&after={cursor}");
    let mut live = Socket::follow(address, &auditor.token, &after).await;
    live.ready().await;
    // As a recovery does it: the generation is closed, the next one begins.
    let next = "update ledger.chains set generation = 2, size = 0 where partition = 'default'";
    tamper(&world, next).await;
    world
        .append(&backend, &json!({"action": "a"}))
        .await
        .is(201);
    let frame = live.entries(1).await.remove(0);
    assert_eq!(
        (&frame["entry"]["generation"], &frame["entry"]["seq"]),
        (&json!(2), &json!(0))
    );
    let mut behind = Socket::follow(address, &auditor.token, &after).await;
    assert_eq!(behind.entries(1).await[0]["entry"], frame["entry"]);
    assert_eq!(behind.ready().await, frame["cursor"].as_str().unwrap());
    world.stop().await.discard().await;
}

#[tokio::test]
async fn a_lost_connection_to_the_database_costs_time_alone() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let address = world.serve(&world.state).await;
    let mut socket = Socket::follow(address, &auditor.token, "?partition=default").await;
    socket.ready().await;
    for round in 0..3 {
        let cut = "select pg_terminate_backend(pid) from pg_stat_activity \
                   where datname = current_database() and application_name = 'ledger tailer'";
        world.superuser().await.execute(cut).await.unwrap();
        world.fill(&backend, "default", 2).await;
        let expected = [0, 1].map(|nth| told("entry", 2 * round + nth, 2 * round + nth + 1));
        assert_eq!(stretches(&mut socket, 2).await, expected);
    }
    world.end().await;
}
