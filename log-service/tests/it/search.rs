//! Lists and counts over an index, for both implementations: what is found is what a scan of the ledger
//! finds, however far the index is, whatever it says, and whether it is there at all.

pub(crate) mod index;
mod replaced;
mod troubles;

use serde_json::{Value, json};
use uuid::Uuid;

use self::index::{Indexed, Kind};
use crate::auth::{A, A_B as B, Somebody};
use crate::world::{Answer, EVERYTHING, World, request, send};

macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod opensearch { $(#[tokio::test] async fn $story() { super::$story(super::Kind::OpenSearch).await; })* }
        mod embedded { $(#[tokio::test] async fn $story() { super::$story(super::Kind::Embedded).await; })* }
    };
}

stories! {
    the_index_and_its_tail_are_what_the_ledger_is,
    nothing_that_the_index_makes_up_is_shown,
    readers_find_what_they_may_see,
    counts_are_those_of_the_ledger,
    a_lost_index_is_no_failure,
}

const QUERIES: [&str; 16] = [
    "q=declined",
    "q=card+-declined",
    "q=%22card+was%22",
    "q=decl*&severity=warning",
    "q=-card",
    "action=invoice.*",
    "actor_id=u-3",
    "partition=invoices&outcome=failure",
    "target_type=invoice&target_id=i-4",
    "label.region=eu&q=card",
    "ip=192.0.2.7&q=ann",
    "metadata.order.number=12",
    "metadata.order.tags=gift&q=card",
    "severity=info",
    "q=nowhere",
    "",
];

fn entry(number: usize, partition: &str) -> Value {
    let card = if number.is_multiple_of(3) {
        "The card was declined"
    } else {
        "Paid by card"
    };
    let description = if number.is_multiple_of(5) {
        "Nothing to pay"
    } else {
        card
    };
    json!({
        "partition": partition,
        "action": if number.is_multiple_of(2) { "invoice.paid" } else { "user.login" },
        "actor": {"type": "user", "id": format!("u-{}", number % 7), "name": "Ann Example"},
        "severity": if number.is_multiple_of(4) { "warning" } else { "info" },
        "outcome": {"status": if number.is_multiple_of(6) { "failure" } else { "success" }},
        "targets": [{"type": "invoice", "id": format!("i-{}", number % 9)}],
        "labels": {"region": if number.is_multiple_of(2) { "eu" } else { "us" }},
        "context": {"ip": "192.0.2.7"},
        "description": description,
        "metadata": {"order": {
            "number": number % 30,
            "tags": [if number.is_multiple_of(4) { "gift" } else { "own" }, "new"],
        }},
    })
}

/// Entries of two partitions, one after the other and in between.
async fn fill(world: &World, backend: &Somebody, count: usize) {
    let numbers: Vec<usize> = (0..count).collect();
    fill_with(world, backend, &numbers).await;
}

async fn fill_with(world: &World, backend: &Somebody, numbers: &[usize]) {
    let admin = world.auth.user(A, "admin");
    world.create_partition(&admin, "invoices").await;
    for (nth, numbers) in numbers.chunks(4).enumerate() {
        let partition = if nth.is_multiple_of(3) {
            "invoices"
        } else {
            "default"
        };
        let entries: Vec<_> = numbers.iter().map(|n| entry(*n, partition)).collect();
        let body = json!({"entries": entries});
        world
            .post(backend, "/api/v1/logs/bulk", &body)
            .await
            .is(201);
    }
}

/// All pages. Every page but the last is full, or says that it is not.
async fn pages(get: impl AsyncFn(String) -> Answer, query: &str) -> Vec<Value> {
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(format!("/api/v1/logs?{query}{cursor}")).await.is(200);
        assert_eq!(page["complete"], true, "{query}");
        entries.extend(page["entries"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else {
            return entries;
        };
        cursor = format!("&cursor={next}");
    }
}

async fn the_index_and_its_tail_are_what_the_ledger_is(kind: Kind) {
    let indexed = Indexed::open(kind).await;
    let world = World::searching(indexed.search()).await;
    let backend = world.auth.service(A, EVERYTHING);
    let auditor = world.auth.user(A, "auditor");
    fill(&world, &backend, 60).await;
    let (_, ledger_alone) = world.replica().await;
    let over_index = async |path: String| world.get(&auditor, &path).await;
    let over_ledger = async |path: String| {
        let asked = request("GET", &auditor, &path).body(axum::body::Body::empty());
        send(&ledger_alone, asked.unwrap()).await
    };
    // Nothing indexed, one chain in part, both in part, all but one entry, everything.
    for (default, invoices) in [(0, 0), (7, 0), (7, 13), (39, 20), (40, 20)] {
        indexed.index(&world, A.id, "default", default).await;
        indexed.index(&world, A.id, "invoices", invoices).await;
        for query in QUERIES {
            for page in ["order=asc&limit=3", "order=desc&limit=7", "limit=1000"] {
                let query = format!("{query}&{page}&recorded_by=service:{}", backend.id);
                let expected = pages(&over_ledger, &query).await;
                let found = pages(&over_index, &query).await;
                assert_eq!(found, expected, "{query} {default} {invoices}");
            }
        }
    }
    indexed.end().await;
    world.end().await;
}

async fn nothing_that_the_index_makes_up_is_shown(kind: Kind) {
    let indexed = Indexed::open(kind).await;
    let world = World::searching(indexed.search()).await;
    let backend = world.auth.service(A, EVERYTHING);
    let foreign = world.auth.service(B, EVERYTHING);
    let (viewer, auditor) = (world.auth.user(A, "viewer"), world.auth.user(A, "auditor"));
    fill(&world, &backend, 12).await;
    world.append(&foreign, &entry(0, "default")).await.is(201);
    world.get(&auditor, "/api/v1/logs").await.is(200);
    world.state.write_access_records().await;
    indexed.index(&world, A.id, "default", 8).await;
    // Words that the entry does not have, an entry that is not there, a partition that is not shown.
    indexed.forge(&world, A.id, "default", 3, "secret").await;
    indexed
        .forge(&world, A.id, "default", 7_000, "secret")
        .await;
    indexed.forge(&world, A.id, "system", 0, "secret").await;
    indexed.cursor(&world, A.id, "system", 1).await;
    for reader in [&viewer, &auditor] {
        let page = world.get(reader, "/api/v1/logs?q=secret").await.is(200);
        assert_eq!(page, json!({"entries": [], "next": null, "complete": true}));
    }
    indexed.end().await;
    world.end().await;
}

async fn readers_find_what_they_may_see(kind: Kind) {
    let indexed = Indexed::open(kind).await;
    let world = World::searching(indexed.search()).await;
    let backend = world.auth.service(A, EVERYTHING);
    let (viewer, auditor) = (world.auth.user(A, "viewer"), world.auth.user(A, "auditor"));
    let stranger = world.auth.user(B, "auditor");
    fill(&world, &backend, 24).await;
    let count = async |who: &Somebody, query: &str| {
        let page = world
            .get(who, &format!("/api/v1/logs?{query}"))
            .await
            .is(200);
        let stats = world
            .get(who, &format!("/api/v1/logs/stats?{query}"))
            .await
            .is(200);
        let count = page["entries"].as_array().unwrap().len();
        if stats["complete"] == true {
            assert_eq!(stats["total"], count, "{query}");
        }
        count
    };
    for upto in [0, 10, 16] {
        indexed.index(&world, A.id, "default", upto).await;
        // `Ann` is in a personal part, `u-3` is not.
        assert_eq!(count(&auditor, "partition=default&q=ann").await, 16);
        assert_eq!(count(&viewer, "partition=default&q=ann").await, 0);
        assert_eq!(count(&viewer, "partition=default&q=-ann").await, 16);
        assert_eq!(
            count(&viewer, "partition=default&q=u-3").await,
            count(&auditor, "partition=default&q=u-3").await
        );
        assert_eq!(count(&stranger, "q=ann").await, 0);
        for route in ["logs", "logs/stats"] {
            for query in [
                "ip=192.0.2.7",
                "session_id=s",
                "metadata.order.number=12",
                "partition=system",
            ] {
                let path = format!("/api/v1/{route}?{query}&q=card");
                world.get(&viewer, &path).await.refused(403, "forbidden");
            }
        }
    }
    indexed.end().await;
    world.end().await;
}

async fn counts_are_those_of_the_ledger(kind: Kind) {
    let indexed = Indexed::open(kind).await;
    let world = World::searching(indexed.search()).await;
    let (backend, admin) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "admin"),
    );
    // Any number of any entry: its members follow from it, each in another rhythm.
    let random = |_| usize::try_from(Uuid::new_v4().as_u128() % 7_560).unwrap();
    let numbers: Vec<usize> = (0..60).map(random).collect();
    fill_with(&world, &backend, &numbers).await;
    world.state.write_access_records().await;
    indexed.index(&world, A.id, "default", 40).await;
    indexed.index(&world, A.id, "invoices", 20).await;
    let (_, ledger_alone) = world.replica().await;
    for query in QUERIES {
        for more in [
            "&top=2",
            "&top=100&interval=day&time_zone=Europe/Berlin",
            "&interval=minute",
        ] {
            let path = format!(
                "/api/v1/logs/stats?{query}{more}&recorded_by=service:{}",
                backend.id
            );
            let found = world.get(&admin, &path).await.is(200);
            let asked = request("GET", &admin, &path).body(axum::body::Body::empty());
            let expected = send(&ledger_alone, asked.unwrap()).await.is(200);
            for member in [
                "total",
                "actions",
                "actors",
                "severities",
                "outcomes",
                "target_types",
                "histogram",
            ] {
                assert_eq!(
                    found[member], expected[member],
                    "{path} {member}: {numbers:?}"
                );
            }
            assert_eq!(expected["complete"], true, "{path}");
        }
    }
    // What is not indexed yet is not counted, and the answer says so.
    world.append(&backend, &entry(1, "default")).await.is(201);
    let stats = world
        .get(&admin, "/api/v1/logs/stats?partition=default")
        .await
        .is(200);
    assert_eq!(stats["complete"], false);
    assert_eq!(stats["total"], 40);
    let counted = json!([{"partition": "default", "generation": 1, "from": 0, "to": 40}]);
    assert_eq!(stats["counted"], counted);
    for (query, place) in [
        ("interval=second", "query.interval"),
        ("interval=day&time_zone=Berlin", "query.time_zone"),
        ("time_zone=UTC", "query.time_zone"),
        (
            "interval=minute&from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
            "query.interval",
        ),
        ("top=0", "query.top"),
        ("top=101", "query.top"),
        ("limit=5", "query.limit"),
        ("q=*ard", "query.q"),
        ("q=/c.*d/", "query.q"),
        ("q=c*d", "query.q"),
        (
            "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
            "query.to",
        ),
    ] {
        let path = format!("/api/v1/logs/stats?{query}");
        world.get(&admin, &path).await.places(&[place]);
    }
    indexed.end().await;
    world.end().await;
}

async fn a_lost_index_is_no_failure(kind: Kind) {
    let indexed = Indexed::open(kind).await;
    let world = World::searching(indexed.search()).await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    fill(&world, &backend, 24).await;
    indexed.index(&world, A.id, "default", 16).await;
    let first = world
        .get(&auditor, "/api/v1/logs?q=card&limit=2")
        .await
        .is(200);
    indexed.search().drop_tenant(A.id).await.unwrap();
    // A page that began with the index goes on without it.
    let next = first["next"].as_str().unwrap();
    let rest = world
        .get(
            &auditor,
            &format!("/api/v1/logs?q=card&limit=1000&cursor={next}"),
        )
        .await;
    let whole = world
        .get(&auditor, "/api/v1/logs?q=card&limit=1000")
        .await
        .is(200);
    let of = |page: &Value| page["entries"].as_array().unwrap().clone();
    assert_eq!([of(&first), of(&rest.is(200))].concat(), of(&whole));
    assert!(of(&whole).len() > 10);
    let stats = world
        .get(&auditor, "/api/v1/logs/stats?q=card")
        .await
        .is(200);
    assert_eq!(stats["total"], of(&whole).len());
    indexed.end().await;
    world.end().await;
}
