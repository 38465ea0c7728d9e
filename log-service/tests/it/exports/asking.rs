//! Many who ask for exports at once, and one who dies while he asks.

use axum::Router;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::Executor as _;
use uuid::Uuid;

use crate::auth::{A, A_B, Somebody};
use crate::world::{World, request, send};

/// Asks for all of these at once, at two processes in turn, and gives the statuses in order.
async fn at_once(world: &World, other: &Router, asked: &[(&Somebody, Value)]) -> Vec<u16> {
    let answers = asked
        .iter()
        .enumerate()
        .map(|(number, (who, body))| async move {
            let post = request("POST", who, "/api/v1/exports")
                .header("content-type", "application/json")
                .body(body.to_string().into())
                .unwrap();
            let answer = if number % 2 == 0 {
                world.send(post).await
            } else {
                send(other, post).await
            };
            answer.status.as_u16()
        });
    let mut statuses = join_all(answers).await;
    statuses.sort_unstable();
    statuses
}

const MANY: usize = 12;

/// One of many makes the job, and the others get what they asked for.
fn one_made(others: u16) -> Vec<u16> {
    let mut expected = vec![others; MANY - 1];
    expected.push(201);
    expected.sort_unstable();
    expected
}

#[tokio::test]
async fn asking_many_times_at_once_is_asking_once() {
    let world = World::start().await;
    let (_, other) = world.replica().await;
    let auditor = world.auth.user(A, "auditor");
    let same = |id: Uuid| vec![(&auditor, json!({"id": id, "format": "jsonl"})); MANY];
    let recorded = async || world.recorded(&auditor, "export.create").await.len();

    let first = Uuid::now_v7();
    assert_eq!(at_once(&world, &other, &same(first)).await, one_made(200));
    assert_eq!(recorded().await, 1);

    let id = Uuid::now_v7();
    let different: Vec<_> = (0..MANY)
        .map(|number| {
            let filter = json!({"action": format!("a{number}.*")});
            (&auditor, json!({"id": id, "filter": filter}))
        })
        .collect();
    assert_eq!(at_once(&world, &other, &different).await, one_made(409));
    assert_eq!(recorded().await, 2);

    // Only one place is left, and it is this job's, however often it is asked for.
    world
        .post(&auditor, "/api/v1/exports", &json!({}))
        .await
        .is(201);
    let last = Uuid::now_v7();
    assert_eq!(at_once(&world, &other, &same(last)).await, one_made(200));
    assert_eq!(recorded().await, 4);
    let records = world.recorded(&auditor, "export.create").await;
    assert_eq!(records[0]["targets"][0]["id"], json!(first));
    assert_eq!(records[3]["targets"][0]["id"], json!(last));
    assert_eq!(records[3]["actor"]["id"], json!(auditor.id));
    world.end().await;
}

#[tokio::test]
async fn two_tenants_may_use_the_same_id_at_once() {
    let world = World::start().await;
    let (_, other) = world.replica().await;
    let (one, two) = (world.auth.user(A, "auditor"), world.auth.user(A_B, "admin"));
    let id = Uuid::now_v7();
    let asked: Vec<_> = (0..MANY)
        .flat_map(|_| [(&one, "csv"), (&two, "jsonl")])
        .map(|(who, format)| (who, json!({"id": id, "format": format})))
        .collect();
    let mut expected = [one_made(200), one_made(200)].concat();
    expected.sort_unstable();
    assert_eq!(at_once(&world, &other, &asked).await, expected);
    for (who, format) in [(&one, "csv"), (&two, "jsonl")] {
        let job = world.get(who, &format!("/api/v1/exports/{id}")).await;
        assert_eq!(job.is(200)["format"], format);
        assert_eq!(world.recorded(who, "export.create").await.len(), 1);
    }
    world.end().await;
}

#[tokio::test]
async fn a_job_whose_asker_died_is_recorded_by_the_next_one() {
    let world = World::start().await;
    let (_, other) = world.replica().await;
    let (auditor, colleague) = (world.auth.user(A, "auditor"), world.auth.user(A, "auditor"));
    let id = Uuid::now_v7();
    let asked = json!({"id": id, "format": "jsonl"});
    world
        .post(&auditor, "/api/v1/exports", &asked)
        .await
        .is(201);
    // As the row is before its record is written.
    let mut database = world.superuser().await;
    database
        .execute("update export.jobs set unrecorded = gen_random_uuid(), due_at = 'infinity'")
        .await
        .unwrap();
    world.work().await;
    let path = format!("/api/v1/exports/{id}");
    assert_eq!(world.get(&auditor, &path).await.is(200)["state"], "queued");

    let again = vec![(&colleague, asked); MANY];
    assert_eq!(at_once(&world, &other, &again).await, [200_u16; MANY]);
    let records = world.recorded(&auditor, "export.create").await;
    assert_eq!(records.len(), 2);
    // Who asked first is who asked.
    assert_eq!(records[1]["actor"]["id"], json!(auditor.id));
    world.work().await;
    assert_eq!(
        world.get(&auditor, &path).await.is(200)["state"],
        "finished"
    );
    world.end().await;
}
