//! From what was there to what comes: nothing twice, nothing left out, whichever replica it was
//! posted to.

use std::collections::BTreeMap;

use axum::Router;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::client::{Socket, place};
use crate::auth::{A, Somebody};
use crate::world::{EVERYTHING, World, request, send};

/// Each partition's entries in the order of seq, from the first that is there without a gap.
fn in_order(frames: &[Value]) -> BTreeMap<String, (u64, u64)> {
    let mut seen: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for frame in frames {
        let (partition, seq) = place(frame);
        let range = seen.entry(partition).or_insert((seq, seq));
        assert_eq!(range.1, seq, "{frame}");
        range.1 += 1;
    }
    seen
}

/// Posts 400 requests through both replicas at once; gives the number of entries.
async fn append_through_both(world: &World, other: &Router, backend: &Somebody) -> usize {
    let post = |nth: usize| {
        let partition = ["default", "orders"][nth % 2];
        let entries: Vec<_> = (0..=nth % 3)
            .map(|number| json!({"partition": partition, "action": format!("a{number}")}))
            .collect();
        let body = json!({"entries": entries}).to_string();
        let request = request("POST", backend, "/api/v1/logs/bulk")
            .header("content-type", "application/json")
            .body(body.into())
            .unwrap();
        (entries.len(), request)
    };
    let mut posted = 0;
    for nth in 0..200 {
        let (here, there) = (post(2 * nth), post(2 * nth + 1));
        posted += here.0 + there.0;
        let (here, there) = tokio::join!(world.send(here.1), send(other, there.1));
        here.is(201);
        there.is(201);
    }
    posted
}

/// Everything up to the last entries, which are marked; what is recorded of reading left out.
async fn read_to_marks(mut reader: Socket, marks: usize) -> Vec<Value> {
    let (mut frames, mut met) = (Vec::new(), 0);
    while met < marks {
        let frame = reader.entries(1).await.remove(0);
        if frame["entry"]["partition"] != "system" {
            met += usize::from(frame["entry"]["action"] == "mark");
            frames.push(frame);
        }
    }
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_joins_while_two_replicas_append_gets_each_entry_once() {
    let world = World::start().await;
    let (backend, admin) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "admin"),
    );
    world.create_partition(&admin, "orders").await;
    world.fill(&backend, "default", 700).await;
    world.fill(&backend, "orders", 30).await;
    let (state, other) = world.replica().await;
    let addresses = [world.serve(&world.state).await, world.serve(&state).await];
    // Readers of both replicas begin in the middle of it, some at the beginning of the trail.
    let queries = [
        "",
        "?from=2020-01-01T00:00:00Z",
        "?from=2020-01-01T00:00:00Z&partition=orders",
    ];
    let reading = async {
        let mut readers = Vec::new();
        for nth in 0..12 {
            let reader = Socket::follow(addresses[nth % 2], &admin.token, queries[nth % 3]);
            readers.push(reader.await);
        }
        readers
    };
    let (posted, readers) = tokio::join!(append_through_both(&world, &other, &backend), reading);
    let mut ends = BTreeMap::new();
    for partition in ["default", "orders"] {
        let mark = json!({"action": "mark", "partition": partition});
        let receipt = world.append(&backend, &mark).await.is(201);
        ends.insert(partition, receipt["seq"].as_u64().unwrap());
    }
    assert_eq!(ends["default"] + ends["orders"], 730 + posted as u64);
    let readings = readers
        .into_iter()
        .enumerate()
        .map(|(nth, reader)| read_to_marks(reader, if nth % 3 == 2 { 1 } else { 2 }));
    for (nth, frames) in join_all(readings).await.iter().enumerate() {
        for (partition, (from, to)) in in_order(frames) {
            assert_eq!(to, ends[partition.as_str()] + 1, "reader {nth}");
            if nth % 3 > 0 {
                assert_eq!(from, 0, "reader {nth} of {partition}");
            }
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_reader_goes_on_where_it_was_at_any_replica() {
    let world = World::start().await;
    let (backend, admin) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "admin"),
    );
    let (state, _) = world.replica().await;
    let addresses = [world.serve(&world.state).await, world.serve(&state).await];
    let mut cursor = {
        let mut socket = Socket::follow(addresses[0], &admin.token, "").await;
        socket.ready().await
    };
    let mut seqs = Vec::new();
    for round in 0..6 {
        // Left out between two connections, then live, over a partition that is new.
        let name = format!("p{round}");
        world.create_partition(&admin, &name).await;
        world.fill(&backend, &name, 2).await;
        world.fill(&backend, "default", 3).await;
        let query = format!("?action=invoice.*&after={cursor}");
        let mut socket = Socket::follow(addresses[round % 2], &admin.token, &query).await;
        world.fill(&backend, "default", 3).await;
        let frames = socket.entries(5).await;
        let seen = frames
            .iter()
            .filter(|frame| frame["entry"]["partition"] == name.as_str());
        assert_eq!(seen.count(), 1);
        for frame in frames
            .iter()
            .filter(|frame| frame["entry"]["partition"] == "default")
        {
            seqs.push(place(frame).1);
        }
        // In the middle of what was sent.
        cursor = frames[4]["cursor"].as_str().unwrap().to_owned();
    }
    let paid: Vec<u64> = (0..36).filter(|seq| seq % 3 != 1).collect();
    assert_eq!(seqs, paid);
    world.end().await;
}

#[tokio::test]
async fn a_partition_that_is_created_while_it_is_followed_is_heard_from_its_beginning() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let admin = world.auth.user(A, "admin");
    let address = world.serve(&world.state).await;
    let mut all = Socket::follow(address, &auditor.token, "?action=invoice.paid").await;
    let mut one = Socket::follow(address, &auditor.token, "?partition=later").await;
    all.ready().await;
    one.ready().await;
    world.create_partition(&admin, "later").await;
    world.fill(&backend, "later", 3).await;
    let seqs = |frames: Vec<Value>| {
        frames
            .iter()
            .map(|frame| place(frame).1)
            .collect::<Vec<_>>()
    };
    assert_eq!(seqs(all.entries(2).await), [0, 2]);
    assert_eq!(seqs(one.entries(3).await), [0, 1, 2]);
    world.end().await;
}
