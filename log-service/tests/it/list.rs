//! Lists: order, pages, conditions, and what each reader may see.

use std::collections::HashSet;

use query::{Cursor, Question, Remaining};
use serde_json::{Value, json};

use crate::auth::{A, A_B, Somebody};
use crate::world::{EVERYTHING, World};

fn places(page: &Value) -> Vec<(String, u64)> {
    let entries = page["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            (
                entry["partition"].as_str().unwrap().to_owned(),
                entry["seq"].as_u64().unwrap(),
            )
        })
        .collect()
}

/// All pages, with appends between them; and how many pages there were.
async fn all(
    world: &World,
    reader: &Somebody,
    backend: &Somebody,
    query: &str,
) -> (Vec<Value>, usize) {
    let (mut entries, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let path = format!("/api/v1/logs?{query}{cursor}");
        let page = world.get(reader, &path).await.is(200);
        entries.extend(page["entries"].as_array().unwrap().clone());
        pages += 1;
        let Some(next) = page["next"].as_str() else {
            assert_eq!(page["complete"], true);
            return (entries, pages);
        };
        cursor = format!("&cursor={next}");
        world.fill(backend, "default", 3).await;
    }
}

#[tokio::test]
async fn pages_neither_repeat_nor_skip_while_others_append() {
    let world = World::start().await;
    let (backend, admin) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "admin"),
    );
    let auditor = world.auth.user(A, "auditor");
    world.create_partition(&admin, "invoices").await;
    for number in 0..12 {
        let partition = if number % 3 == 0 {
            "invoices"
        } else {
            "default"
        };
        world.fill(&backend, partition, 4).await;
    }
    for (order, size) in [("asc", 5), ("desc", 5), ("asc", 1000), ("desc", 7)] {
        let query = format!("order={order}&limit={size}&actor_type=user&action=invoice.*");
        let before: usize = {
            let whole = world
                .get(&auditor, "/api/v1/logs?limit=1000&action=invoice.paid")
                .await
                .is(200);
            whole["entries"].as_array().unwrap().len()
        };
        let (entries, pages) = all(&world, &auditor, &backend, &query).await;
        assert_eq!(entries.len(), before, "{query}");
        assert!(pages >= before / size, "{query}");
        let ids: HashSet<_> = entries
            .iter()
            .map(|entry| entry["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), entries.len(), "{query}");
        let mut keys: Vec<_> = entries
            .iter()
            .map(|entry| {
                (
                    entry["received_at"].as_str().unwrap(),
                    entry["partition"].as_str().unwrap(),
                    entry["seq"].as_u64().unwrap(),
                )
            })
            .collect();
        if order == "desc" {
            keys.reverse();
        }
        assert!(keys.is_sorted(), "{query}");
    }
    world.end().await;
}

#[tokio::test]
async fn conditions_narrow_the_list() {
    let world = World::start().await;
    let (backend, admin) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "admin"),
    );
    world.create_partition(&admin, "invoices").await;
    let receipts = world.fill(&backend, "invoices", 6).await;
    world.fill(&backend, "default", 6).await;
    let third = receipts[2]["received_at"].as_str().unwrap();
    for (query, count) in [
        ("partition=invoices".to_owned(), 6),
        ("partition=invoices&action=user.*".to_owned(), 3),
        ("partition=invoices&actor_id=u-4".to_owned(), 1),
        ("partition=invoices&ip=::ffff:192.0.2.7".to_owned(), 6),
        ("partition=invoices&ip=192.0.2.8".to_owned(), 0),
        (format!("partition=invoices&to={third}"), 0),
        (format!("partition=invoices&from={third}"), 6),
        (
            format!("partition=invoices&recorded_by=service:{}", backend.id),
            6,
        ),
        ("partition=nowhere".to_owned(), 0),
        ("from=2030-01-01T00:00:00Z".to_owned(), 0),
        ("severity=error".to_owned(), 0),
    ] {
        let page = world
            .get(&admin, &format!("/api/v1/logs?{query}"))
            .await
            .is(200);
        assert_eq!(page["entries"].as_array().unwrap().len(), count, "{query}");
    }
    for (query, place) in [
        ("q=*word", "query.q"),
        ("limit=0", "query.limit"),
        ("cursor=x", "query.cursor"),
        ("actor_id=%ff", "query.actor_id"),
        ("partition=a%00b", "query.partition"),
        ("from=now", "query.from"),
    ] {
        world
            .get(&admin, &format!("/api/v1/logs?{query}"))
            .await
            .places(&[place]);
    }
    world.end().await;
}

#[tokio::test]
async fn a_viewer_sees_neither_system_nor_personal_parts() {
    let world = World::start().await;
    let (backend, admin) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "admin"),
    );
    let viewer = world.auth.user(A, "viewer");
    world.create_partition(&admin, "invoices").await;
    let receipts = world.fill(&backend, "invoices", 2).await;
    let recorded = world.recorded(&admin, "partition.create").await;
    assert_eq!(recorded.len(), 1);

    let page = world.get(&viewer, "/api/v1/logs").await.is(200);
    assert_eq!(
        places(&page),
        [("invoices".to_owned(), 1), ("invoices".to_owned(), 0)]
    );
    let entry = &page["entries"][0];
    assert_eq!(entry["actor"], json!({"type": "user", "id": "u-1"}));
    assert!(entry.get("context").is_none());
    let id = receipts[0]["id"].as_str().unwrap();
    let one = world
        .get(&viewer, &format!("/api/v1/logs/{id}"))
        .await
        .is(200);
    assert!(one["actor"].get("name").is_none(), "{one}");

    let hidden = recorded[0]["id"].as_str().unwrap();
    world
        .get(&viewer, &format!("/api/v1/logs/{hidden}"))
        .await
        .refused(404, "not_found");
    world
        .get(&admin, &format!("/api/v1/logs/{hidden}"))
        .await
        .is(200);
    for query in [
        "partition=system",
        "ip=192.0.2.7",
        "field=x",
        "metadata.x=y",
        "session_id=s",
        "request_id=r",
    ] {
        world
            .get(&viewer, &format!("/api/v1/logs?{query}"))
            .await
            .refused(403, "forbidden");
    }
    // A cursor that the viewer made himself opens nothing.
    let asked = Question::parse("").unwrap();
    let remaining = Remaining {
        partition: "system".to_owned(),
        generation: 1,
        from: 0,
        to: 1,
    };
    let forged = Cursor {
        remaining: vec![remaining],
    }
    .encode(&asked.filter, asked.order);
    world
        .get(&viewer, &format!("/api/v1/logs?cursor={forged}"))
        .await
        .refused(403, "forbidden");
    let page = world
        .get(&admin, &format!("/api/v1/logs?cursor={forged}"))
        .await
        .is(200);
    assert_eq!(places(&page), [("system".to_owned(), 0)]);
    world.end().await;
}

#[tokio::test]
async fn another_tenant_does_not_exist() {
    let world = World::start().await;
    let backend = world.auth.service(A, EVERYTHING);
    let (admin, stranger) = (world.auth.user(A, "admin"), world.auth.user(A_B, "admin"));
    world.create_partition(&admin, "invoices").await;
    let receipts = world.fill(&backend, "invoices", 2).await;
    let id = receipts[0]["id"].as_str().unwrap();
    for path in [
        format!("/api/v1/logs/{id}"),
        format!("/api/v1/logs/{id}/evidence"),
        "/api/v1/partitions/invoices/evidence".to_owned(),
        "/api/v1/partitions/invoices/verify".to_owned(),
    ] {
        world.get(&admin, &path).await;
        world.get(&stranger, &path).await.refused(404, "not_found");
    }
    for query in ["", "?partition=invoices", "?actor_id=u-1"] {
        let page = world
            .get(&stranger, &format!("/api/v1/logs{query}"))
            .await
            .is(200);
        let system_only = page["entries"]
            .as_array()
            .unwrap()
            .iter()
            .all(|entry| entry["tenant"] == A_B.code);
        assert!(system_only, "{page}");
    }
    let listed = world.get(&stranger, "/api/v1/partitions").await.is(200);
    assert!(!listed.to_string().contains("invoices"), "{listed}");
    let asked = Question::parse("").unwrap();
    let remaining = Remaining {
        partition: "invoices".to_owned(),
        generation: 1,
        from: 0,
        to: 2,
    };
    let forged = Cursor {
        remaining: vec![remaining],
    }
    .encode(&asked.filter, asked.order);
    let page = world
        .get(&stranger, &format!("/api/v1/logs?cursor={forged}"))
        .await
        .is(200);
    assert_eq!(page["entries"], json!([]));
    world.end().await;
}

#[tokio::test]
async fn a_page_is_bounded_in_bytes_and_says_so() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    for _ in 0..2 {
        let large: Vec<_> = (0..30)
            .map(|_| json!({"action": "a", "description": "x".repeat(250 << 10)}))
            .collect();
        world
            .post(&backend, "/api/v1/logs/bulk", &json!({"entries": large}))
            .await
            .is(201);
    }
    let first = world
        .get(&auditor, "/api/v1/logs?limit=1000&partition=default")
        .await;
    assert!(first.body.len() < (9 << 20), "{}", first.body.len());
    let first = first.is(200);
    assert_eq!(first["complete"], false);
    let next = first["next"].as_str().unwrap();
    let path = format!("/api/v1/logs?limit=1000&partition=default&cursor={next}");
    let rest = world.get(&auditor, &path).await.is(200);
    let count = |page: &Value| page["entries"].as_array().unwrap().len();
    assert_eq!(count(&first) + count(&rest), 60);
    world.end().await;
}

#[tokio::test]
async fn a_scan_that_finds_little_ends_and_goes_on() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    world
        .append(&backend, &json!({"action": "needle"}))
        .await
        .is(201);
    for _ in 0..21 {
        world.fill(&backend, "default", 1_000).await;
    }
    let (mut page, mut pages) = (json!({"next": ""}), 0);
    while let Some(next) = page["next"].as_str() {
        assert_ne!(page["complete"], true, "{page}");
        let cursor = if next.is_empty() {
            String::new()
        } else {
            format!("&cursor={next}")
        };
        let path = format!("/api/v1/logs?action=needle{cursor}");
        page = world.get(&auditor, &path).await.is(200);
        pages += 1;
    }
    assert_eq!(page["complete"], true);
    assert_eq!(places(&page), [("default".to_owned(), 0)]);
    assert!(pages > 1, "one answer must not search everything");
    world.end().await;
}
