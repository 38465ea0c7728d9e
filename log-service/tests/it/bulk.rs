//! Appending many entries: all or nothing, and every bad one named.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::auth::A;
use crate::world::{EVERYTHING, World, request};

fn entries(count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| json!({"action": "a.b", "actor": {"type": "user", "id": format!("u{number}")}}))
        .collect()
}

#[tokio::test]
async fn receipts_are_consecutive_and_in_order() {
    let world = World::start().await;
    let backend = world.auth.service(A, EVERYTHING);
    let receipts = world.fill(&backend, "default", 1_000).await;
    assert_eq!(receipts.len(), 1_000);
    for (number, pair) in receipts.windows(2).enumerate() {
        assert_eq!(pair[0]["seq"].as_u64(), Some(number as u64));
        assert_eq!(pair[1]["previous"], pair[0]["hash"]);
    }
    assert_eq!(world.end().await, 1_000);
}

#[tokio::test]
async fn repeats_are_told_apart() {
    let world = World::start().await;
    let backend = world.auth.service(A, EVERYTHING);
    let mut entries = entries(3);
    for entry in &mut entries {
        entry["id"] = json!(Uuid::now_v7());
    }
    let bulk = |entries: &[Value]| json!({"entries": entries});
    world
        .post(&backend, "/api/v1/logs/bulk", &bulk(&entries[..2]))
        .await
        .is(201);
    let mixed = world
        .post(&backend, "/api/v1/logs/bulk", &bulk(&entries))
        .await
        .is(201);
    let repeated: Vec<_> = mixed["receipts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|receipt| receipt["repeated"] == true)
        .collect();
    assert_eq!(repeated, [true, true, false]);
    let again = world
        .post(&backend, "/api/v1/logs/bulk", &bulk(&entries))
        .await
        .is(200);
    assert_eq!(again["receipts"].as_array().unwrap().len(), 3);

    entries[1]["action"] = "changed".into();
    let problem = world
        .post(&backend, "/api/v1/logs/bulk", &bulk(&entries))
        .await
        .refused(409, "id_conflict");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .starts_with("/entries/1/id: "),
        "{problem}"
    );
    assert_eq!(world.end().await, 3);
}

#[tokio::test]
async fn nothing_is_stored_when_one_is_wrong() {
    let world = World::start().await;
    let backend = world.auth.service(A, "actor:user action:* partition:*");
    let mut list = entries(10);
    list[2]["severity"] = "loud".into();
    list[7].as_object_mut().unwrap().remove("action");
    let answer = world
        .post(&backend, "/api/v1/logs/bulk", &json!({"entries": list}))
        .await;
    answer.places(&["/entries/2/severity", "/entries/7/action"]);

    let mut list = entries(10);
    list[3]["actor"]["type"] = "job".into();
    list[4]["partition"] = "other".into();
    list[5]["targets"] = json!([{"type": "user", "id": "a@b.cd"}]);
    let answer = world
        .post(&backend, "/api/v1/logs/bulk", &json!({"entries": list}))
        .await;
    answer.places(&[
        "/entries/3/actor",
        "/entries/4/partition",
        "/entries/5/targets/0/id",
    ]);

    let mut list = entries(2);
    list[0]["partition"] = "missing".into();
    list[1]["partition"] = "missing".into();
    let answer = world
        .post(&backend, "/api/v1/logs/bulk", &json!({"entries": list}))
        .await;
    answer.places(&["/entries/0/partition"]);

    for (body, place) in [
        (json!({}), "/entries"),
        (json!({"entries": []}), "/entries"),
        (json!({"entries": entries(1_001)}), "/entries"),
        (json!({"entries": {}}), "/entries"),
        (json!({"entries": [null]}), "/entries/0"),
        (json!([]), ""),
    ] {
        let answer = world.post(&backend, "/api/v1/logs/bulk", &body).await;
        let problem = answer.is(422);
        assert_eq!(problem["errors"][0]["path"], place, "{problem}");
    }
    assert_eq!(world.end().await, 0);
}

#[tokio::test]
async fn the_largest_request_goes_and_a_larger_one_does_not() {
    let world = World::start().await;
    let backend = world.auth.service(A, EVERYTHING);
    let large: Vec<_> = (0..30)
        .map(|_| json!({"action": "a", "description": "x".repeat(250 << 10)}))
        .collect();
    let body = json!({"entries": large});
    let receipts = world
        .post(&backend, "/api/v1/logs/bulk", &body)
        .await
        .is(201);
    assert_eq!(receipts["receipts"].as_array().unwrap().len(), 30);
    let too_much: Vec<_> = (0..34)
        .map(|_| json!({"action": "a", "description": "x".repeat(250 << 10)}))
        .collect();
    let body = json!({"entries": too_much});
    world
        .post(&backend, "/api/v1/logs/bulk", &body)
        .await
        .refused(413, "too_large");
    world.end().await;
}

#[tokio::test]
async fn an_idempotency_key_gives_each_entry_its_own_id() {
    let world = World::start().await;
    let backend = world.auth.service(A, EVERYTHING);
    let own = Uuid::now_v7();
    let mut list = entries(3);
    list[1]["id"] = json!(own);
    let body = json!({"entries": list}).to_string();
    let post = || {
        let request = request("POST", &backend, "/api/v1/logs/bulk")
            .header("content-type", "application/json")
            .header("idempotency-key", "batch-1");
        world.send(request.body(body.clone().into()).unwrap())
    };
    let first = post().await.is(201);
    let again = post().await.is(200);
    let ids = |answer: &Value| -> Vec<Value> {
        answer["receipts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|receipt| receipt["id"].clone())
            .collect()
    };
    assert_eq!(ids(&first), ids(&again));
    assert_eq!(ids(&first)[1], json!(own));
    assert_ne!(ids(&first)[0], ids(&first)[2]);
    assert_eq!(world.end().await, 3);
}

#[tokio::test]
async fn the_same_id_twice_in_a_request_is_one_entry_or_a_conflict() {
    let world = World::start().await;
    let backend = world.auth.service(A, EVERYTHING);
    let id = Uuid::now_v7();
    let twice = |second: &str| json!({"entries": [{"id": id, "action": "a"}, {"id": id, "action": second}]});
    let receipts = world
        .post(&backend, "/api/v1/logs/bulk", &twice("a"))
        .await
        .is(201);
    assert_eq!(
        receipts["receipts"][0]["seq"],
        receipts["receipts"][1]["seq"]
    );
    assert_eq!(receipts["receipts"][1]["repeated"], true);
    let problem = world
        .post(&backend, "/api/v1/logs/bulk", &twice("b"))
        .await
        .refused(409, "id_conflict");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("/entries/1/id: "), "{detail}");
    assert_eq!(world.end().await, 1);
}
