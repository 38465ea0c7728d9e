//! Who read what is on the trail, once a window or once an access, and no read goes unrecorded.

use std::time::Duration;

use serde_json::json;
use sqlx::{Executor as _, PgConnection};

use crate::auth::{A, A_B};
use crate::world::{EVERYTHING, World};

#[tokio::test]
async fn plain_reads_share_a_record() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let viewer = world.auth.user(A, "viewer");
    let receipts = world.fill(&backend, "default", 2).await;
    for query in [
        "",
        "?limit=1",
        "?limit=2&order=asc",
        "?from=2026-01-01T00:00:00Z",
    ] {
        world
            .get(&auditor, &format!("/api/v1/logs{query}"))
            .await
            .is(200);
    }
    world
        .get(&auditor, "/api/v1/logs?action=user.*")
        .await
        .is(200);
    for receipt in receipts.iter().chain(&receipts) {
        let id = receipt["id"].as_str().unwrap();
        world
            .get(&viewer, &format!("/api/v1/logs/{id}"))
            .await
            .is(200);
    }
    world.state.write_access_records().await;

    let lists = world.recorded(&auditor, "trail.list").await;
    let mut found: Vec<_> = lists
        .iter()
        .map(|entry| {
            (
                entry["metadata"]["filter"].to_string(),
                entry["metadata"]["count"].as_u64().unwrap(),
            )
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            (r#"{"action":"user.*"}"#.to_owned(), 1),
            ("{}".to_owned(), 4)
        ]
    );
    for entry in &lists {
        assert_eq!(entry["actor"], json!({"type": "user", "id": auditor.id}));
        assert_eq!(entry["recorded_by"], "system:log-service");
        assert!(
            entry["metadata"]["first"].as_str().unwrap()
                <= entry["metadata"]["last"].as_str().unwrap()
        );
    }
    let gets = world.recorded(&auditor, "trail.get").await;
    assert_eq!(gets.len(), 1);
    assert_eq!(gets[0]["actor"]["id"], json!(viewer.id));
    assert_eq!(
        gets[0]["targets"],
        json!([{"type": "partition", "id": "default"}])
    );
    assert_eq!(gets[0]["metadata"]["count"], 4);
    assert_eq!(
        gets[0]["metadata"]["ids"],
        json!([receipts[0]["id"], receipts[1]["id"]])
    );
    world.end().await;
}

#[tokio::test]
async fn a_window_lasts_five_minutes() {
    let world = World::start().await;
    let auditor = world.auth.user(A, "auditor");
    let shutdown = service::Shutdown::new();
    let beside = tokio::spawn(log_service::run(world.state.clone(), shutdown.clone()));
    world.get(&auditor, "/api/v1/logs").await.is(200);
    let recorded = async || {
        let mut database = world.superuser().await;
        let count = "select count(*) from ledger.entries where partition = 'system'";
        sqlx::query_scalar::<_, i64>(count)
            .fetch_one(&mut database)
            .await
            .unwrap()
    };
    assert_eq!(recorded().await, 0);
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(5)).await;
    tokio::time::resume();
    while recorded().await == 0 {}
    assert_eq!(recorded().await, 1);
    shutdown.begin();
    beside.await.unwrap();
    world.stop().await.end().await;
}

#[tokio::test]
async fn a_stop_writes_what_is_open() {
    let world = World::start().await;
    for tenant in [A, A_B] {
        let auditor = world.auth.user(tenant, "auditor");
        world.get(&auditor, "/api/v1/logs").await.is(200);
    }
    let stopped = world.stop().await;
    let mut database = stopped.database.connect().await;
    let count = "select count(*) from ledger.entries where partition = 'system'";
    assert_eq!(
        sqlx::query_scalar::<_, i64>(count)
            .fetch_one(&mut database)
            .await
            .unwrap(),
        2
    );
    assert_eq!(stopped.end().await, 2);
}

#[tokio::test]
async fn evidence_and_verification_are_recorded_before_the_answer() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let receipts = world.fill(&backend, "default", 1).await;
    let id = receipts[0]["id"].as_str().unwrap();
    let paths = [
        "/api/v1/partitions/default/evidence?from=0".to_owned(),
        "/api/v1/partitions/default/verify".to_owned(),
        format!("/api/v1/logs/{id}/evidence"),
    ];
    for path in paths.iter().chain(&paths) {
        assert_eq!(world.get(&auditor, path).await.status, 200);
    }
    assert_eq!(world.recorded(&auditor, "trail.evidence").await.len(), 4);
    assert_eq!(world.recorded(&auditor, "trail.verify").await.len(), 2);
    world.end().await;
}

#[tokio::test]
async fn without_a_record_there_is_no_answer() {
    let world = World::start().await;
    let (backend, admin) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "admin"),
    );
    let receipts = world.fill(&backend, "default", 1).await;
    let mut database = world.superuser().await;
    database
        .execute(
            "create function refuse_records() returns trigger language plpgsql as
               $$ begin raise exception 'no records today'; end $$;
             create trigger no_records before insert on ledger.entries for each row
               when (new.partition = 'system') execute function refuse_records()",
        )
        .await
        .unwrap();
    let id = receipts[0]["id"].as_str().unwrap();
    for path in [
        "/api/v1/partitions/default/evidence".to_owned(),
        "/api/v1/partitions/default/verify".to_owned(),
        format!("/api/v1/logs/{id}/evidence"),
    ] {
        let answer = world.get(&admin, &path).await;
        answer.refused(503, "access_record_unavailable");
        assert!(answer.headers.contains_key("retry-after"));
    }
    let body = json!({"partition": "invoices"});
    world
        .post(&admin, "/api/v1/partitions", &body)
        .await
        .refused(503, "access_record_unavailable");
    let listed = world.get(&admin, "/api/v1/partitions").await.is(200);
    assert_eq!(
        listed["partitions"].as_array().unwrap().len(),
        2,
        "nothing was created"
    );
    // Appends and plain reads go on.
    world.fill(&backend, "default", 1).await;
    world.get(&admin, "/api/v1/logs").await.is(200);
    database
        .execute("drop trigger no_records on ledger.entries")
        .await
        .unwrap();
    world
        .get(&admin, "/api/v1/partitions/default/verify")
        .await
        .is(200);
    world.end().await;
}

#[tokio::test]
async fn memory_for_records_is_bounded_and_full_memory_is_written() {
    let world = World::start().await;
    let auditor = world.auth.user(A, "auditor");
    for number in 0..300 {
        let path = format!(
            "/api/v1/logs?partition=default&limit=1&request_id={number}{}",
            "x".repeat(1_000)
        );
        world.get(&auditor, &path).await.is(200);
    }
    world.state.write_access_records().await;
    let recorded = world.recorded(&auditor, "trail.list").await;
    assert_eq!(recorded.len(), 300);
    world.end().await;
}

/// Two closed records that could not be written yet, and a lock on which the next try hangs.
async fn hang(world: &World) -> PgConnection {
    for tenant in [A, A_B] {
        let auditor = world.auth.user(tenant, "auditor");
        world.get(&auditor, "/api/v1/logs").await.is(200);
    }
    let mut database = world.superuser().await;
    let outage = "create function refuse_records() returns trigger language plpgsql as
        $$ begin raise exception 'no records today'; end $$;
        create trigger no_records before insert on ledger.entries for each row
        when (new.partition = 'system') execute function refuse_records()";
    database.execute(outage).await.unwrap();
    world.state.write_access_records().await;
    let lock = "drop trigger no_records on ledger.entries;
        begin; lock table ledger.entries in access exclusive mode";
    database.execute(lock).await.unwrap();
    database
}

/// Until a statement waits for the lock.
async fn until_hung(database: &mut PgConnection) {
    // Not `pg_stat_activity`: a transaction sees that as it was at its first look, without the
    // connections made since.
    let waits = "select exists (select from pg_locks
        where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)))";
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let waiting = async {
        loop {
            ticks.tick().await;
            let there = sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut *database);
            if there.await.unwrap() {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    waited.expect("the records are tried again at the start");
}

#[tokio::test]
async fn a_record_in_hand_at_a_stop_is_written_once() {
    let world = World::start().await;
    let mut database = hang(&world).await;
    let shutdown = service::Shutdown::new();
    let beside = tokio::spawn(log_service::run(world.state.clone(), shutdown.clone()));
    until_hung(&mut database).await;
    shutdown.begin();
    database.execute("commit").await.unwrap();
    beside.await.unwrap();
    let count = "select count(*) from ledger.entries where partition = 'system'";
    let count = sqlx::query_scalar::<_, i64>(count).fetch_one(&mut database);
    assert_eq!(count.await.unwrap(), 2);
    world.end().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_record_that_hangs() {
    let world = World::start().await;
    let backend = world.auth.service(A, EVERYTHING);
    let mut database = hang(&world).await;
    let shutdown = service::Shutdown::new();
    let beside = tokio::spawn(log_service::run(world.state.clone(), shutdown.clone()));
    until_hung(&mut database).await;
    shutdown.begin();
    // After the records the ledger stops, and takes no more; until then an append waits like they do.
    let stopped = async {
        let entry = json!({"action": "a.b", "actor": {"type": "user", "id": "u"}});
        loop {
            let append = world.append(&backend, &entry);
            let answer = tokio::time::timeout(Duration::from_millis(250), append).await;
            if let Ok(answer) = answer {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(15), stopped).await;
    let answer = answer.expect("ten seconds are enough for what can be written");
    assert_eq!(answer.status, 503);
    database.execute("commit").await.unwrap();
    beside.await.unwrap();
    world.end().await;
}
