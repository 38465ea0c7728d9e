//! Whoever writes to the database is found: by the service's own verification, and by what its
//! evidence shows to a client.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};

use crate::auth::{A, Somebody};
use crate::independent;
use crate::world::{EVERYTHING, World};

async fn verify(world: &World, auditor: &Somebody) -> Value {
    let mut from = 0;
    loop {
        let path = format!("/api/v1/partitions/default/verify?from={from}");
        let report = world.get(auditor, &path).await.is(200);
        match report["next"].as_u64() {
            Some(next) => from = next,
            None => return report,
        }
    }
}

#[tokio::test]
async fn an_untouched_chain_verifies() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let empty = verify(&world, &auditor).await;
    assert_eq!((&empty["to"], &empty["finding"]), (&json!(0), &Value::Null));
    let receipts = world.fill(&backend, "default", 600).await;
    let report = verify(&world, &auditor).await;
    assert_eq!(
        (&report["to"], &report["size"], &report["finding"]),
        (&json!(600), &json!(600), &Value::Null)
    );
    assert_eq!(report["hash"], receipts[599]["hash"]);
    let path = "/api/v1/partitions/default/verify?from=";
    let middle = world.get(&auditor, &format!("{path}599")).await.is(200);
    assert_eq!(
        (&middle["from"], &middle["to"], &middle["finding"]),
        (&json!(599), &json!(600), &Value::Null)
    );
    let end = world.get(&auditor, &format!("{path}600")).await.is(200);
    assert_eq!(
        (&end["to"], &end["hash"], &end["finding"]),
        (&json!(600), &Value::Null, &Value::Null)
    );
    world
        .get(&auditor, &format!("{path}601"))
        .await
        .places(&["query.from"]);
    assert_eq!(
        world.get(&auditor, "/api/v1/ids/unclaimed").await.is(200),
        json!({"ids": [], "next": null})
    );
    world.end().await;
}

/// SQL, and the sequence number that verification must name.
const CHANGES: &[(&str, i64)] = &[
    ("update ledger.entries set event = replace(event, 'u-3', 'u-9') where seq = 3", 3),
    ("update ledger.entries set event = '{' where seq = 3", 3),
    ("update ledger.entries set parts = replace(parts, 'Ann', 'Bob') where seq = 3", 3),
    ("update ledger.entries set parts = null where seq = 3", 3),
    ("update ledger.entries set salt = decode(md5('x'), 'hex') where seq = 3", 3),
    ("update ledger.entries set salt = null where seq = 3", 3),
    ("update ledger.entries set residue = '{\"digests\":{},\"salts\":{}}' where seq = 3", 3),
    ("update ledger.entries set hash = sha256('x') where seq = 3", 3),
    ("update ledger.entries set received_at = received_at + interval '1 microsecond' where seq = 3", 3),
    ("update ledger.entries set id = gen_random_uuid() where seq = 3", 3),
    ("update ledger.entries set generation = 2 where seq = 3", 3),
    ("update ledger.entries set partition = 'other' where seq = 3", 3),
    ("update ledger.entries set tenant = gen_random_uuid() where seq = 3", 3),
    ("delete from ledger.entries where seq = 3", 3),
    ("delete from ledger.entries where seq = 5", 5),
    ("update ledger.entries set seq = 102 where seq = 2; update ledger.entries set seq = 2 where seq = 3;
      update ledger.entries set seq = 3 where seq = 102", 2),
    ("insert into ledger.entries select (jsonb_populate_record(e, '{\"seq\": 6}')).* from ledger.entries e where seq = 5", 6),
    ("update ledger.chains set size = 5 where true", 5),
    ("update ledger.chains set size = 7 where true", 6),
    ("update ledger.chains set hash = sha256('x') where true", 6),
    ("update ledger.chains set received_at = received_at + interval '1 second' where true", 6),
    ("update ledger.chains set generation = 2 where true", 0),
    ("delete from ledger.chains where true", 0),
    ("delete from ledger.entry_ids where seq = 3", 3),
    ("update ledger.entry_ids set seq = 4 where seq = 3", 3),
    ("update ledger.entry_ids set generation = 2 where seq = 3", 3),
    ("update ledger.entry_ids set partition = 'other' where seq = 3", 3),
    ("update ledger.entry_ids set received_at = received_at + interval '1 second' where seq = 3", 3),
    ("update ledger.entry_ids set id = gen_random_uuid() where seq = 3", 3),
    ("update ledger.entry_ids set tenant = gen_random_uuid() where seq = 3", 3),
    // Past the constraints as well.
    ("alter table ledger.entries drop constraint if exists entries_shape; update ledger.entries set hash = 'short' where seq = 3", 3),
    ("update ledger.entries set salt = 'short' where seq = 3", 3),
    ("update ledger.entries set generation = -1 where seq = 3", 3),
];

const KEEP: &str = "create schema kept;
    create table kept.entries as select * from ledger.entries where partition = 'default';
    create table kept.chains as select * from ledger.chains where partition = 'default';
    create table kept.ids as select * from ledger.entry_ids where partition = 'default'";
const BRING_BACK: &str = "
    delete from ledger.entries where partition <> 'system';
    delete from ledger.chains where partition <> 'system';
    delete from ledger.entry_ids where partition <> 'system';
    insert into ledger.entries select * from kept.entries;
    insert into ledger.chains select * from kept.chains;
    insert into ledger.entry_ids select * from kept.ids";

#[tokio::test]
async fn every_change_is_found_at_its_place() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    world.fill(&backend, "default", 6).await;
    let mut database = world.superuser().await;
    database.execute(KEEP).await.unwrap();
    // The triggers are for those who do not mean it.
    database
        .execute("set session_replication_role = replica")
        .await
        .unwrap();
    for (change, seq) in CHANGES {
        let scoped = change.replace(" where ", " where partition = 'default' and ");
        database.execute(AssertSqlSafe(scoped)).await.unwrap();
        let report = verify(&world, &auditor).await;
        assert_eq!(report["finding"]["seq"], *seq, "{change}: {report}");
        database.execute(BRING_BACK).await.unwrap();
        let report = verify(&world, &auditor).await;
        assert_eq!(report["finding"], Value::Null, "after {change} was undone");
    }
    world.stop().await.discard().await;
}

#[tokio::test]
async fn rows_that_belong_to_nothing_are_listed() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    world.fill(&backend, "default", 2).await;
    let mut database = world.superuser().await;
    database
        .execute("set session_replication_role = replica;
                  insert into ledger.entry_ids select (jsonb_populate_record(i, jsonb_build_object('id', '0199c3a1-7c00-4000-8000-000000000001'))).* from ledger.entry_ids i where seq = 1;
                  update ledger.entries set partition = 'ghost' where seq = 1")
        .await
        .unwrap();
    let unclaimed = world.get(&auditor, "/api/v1/ids/unclaimed").await.is(200);
    let ids = unclaimed["ids"].as_array().unwrap();
    assert!(
        ids.iter()
            .any(|row| row["id"] == "0199c3a1-7c00-4000-8000-000000000001"),
        "{unclaimed}"
    );
    let listed = world.get(&auditor, "/api/v1/partitions").await.is(200);
    assert_eq!(listed["unchained"], json!(["ghost"]));
    let report = world
        .get(&auditor, "/api/v1/partitions/ghost/verify")
        .await
        .is(200);
    assert_eq!(report["finding"]["place"], "partition", "{report}");
    let lines = world
        .get(&auditor, "/api/v1/partitions/ghost/evidence?columns=true")
        .await
        .lines();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1], json!({"head": null}));
    let viewer = world.auth.user(A, "viewer");
    let listed = world.get(&viewer, "/api/v1/partitions").await.is(200);
    assert!(listed.get("unchained").is_none());
    world.stop().await.discard().await;
}

#[tokio::test]
async fn a_forged_text_hides_neither_itself_nor_the_others() {
    let world = World::start().await;
    let (backend, auditor) = (
        world.auth.service(A, EVERYTHING),
        world.auth.user(A, "auditor"),
    );
    let receipts = world.fill(&backend, "default", 3).await;
    let mut database = world.superuser().await;
    database
        .execute("set session_replication_role = replica;
                  update ledger.entries set event = '{' where seq = 1; update ledger.entries set parts = '{' where seq = 2")
        .await
        .unwrap();
    let forged = |seq| json!({"partition": "default", "generation": 1, "seq": seq});
    for query in ["", "&actor_type=user"] {
        let page = world
            .get(&auditor, &format!("/api/v1/logs?partition=default{query}"))
            .await
            .is(200);
        assert_eq!(page["entries"].as_array().unwrap().len(), 1);
        assert_eq!(page["unreadable"], json!([forged(2), forged(1)]));
    }
    let id = receipts[1]["id"].as_str().unwrap();
    world
        .get(&auditor, &format!("/api/v1/logs/{id}"))
        .await
        .refused(500, "internal");
    let lines = world
        .get(&auditor, "/api/v1/partitions/default/evidence?columns=true")
        .await
        .lines();
    assert_eq!(lines.len(), 4);
    let document = lines[1]["document"].as_str().unwrap();
    assert_ne!(
        independent::leaf(document),
        receipts[1]["hash"].as_str().unwrap()
    );
    assert_eq!(lines[2]["corrupt"]["seq"], 2, "{}", lines[2]);
    world.stop().await.discard().await;
}

#[tokio::test]
async fn the_head_of_an_empty_chain_is_checked_too() {
    let world = World::start().await;
    let (admin, auditor) = (world.auth.user(A, "admin"), world.auth.user(A, "auditor"));
    world.create_partition(&admin, "empty").await;
    let mut database = world.superuser().await;
    database
        .execute("set session_replication_role = replica")
        .await
        .unwrap();
    let path = "/api/v1/partitions/empty/verify";
    let finding = async || world.get(&auditor, path).await.is(200)["finding"].take();
    assert_eq!(finding().await, Value::Null);
    // A later time would be taken over by the first entry, and one before all times is none.
    for (change, place) in [
        ("received_at = now()", "received_at"),
        (
            "received_at = received_at + interval '1 microsecond'",
            "received_at",
        ),
        ("received_at = now() + interval '50 years'", "received_at"),
        ("hash = sha256('x')", "hash"),
        ("size = 1", "size"),
    ] {
        let keep =
            "create temporary table kept as select * from ledger.chains where partition = 'empty'";
        database.execute(keep).await.unwrap();
        let change = format!("update ledger.chains set {change} where partition = 'empty'");
        database
            .execute(AssertSqlSafe(change.clone()))
            .await
            .unwrap();
        let found = finding().await;
        assert_eq!(found["place"], place, "{change}: {found}");
        assert_eq!(found["seq"], 0, "{change}: {found}");
        let restore = "delete from ledger.chains where partition = 'empty';
            insert into ledger.chains select * from kept; drop table kept";
        database.execute(restore).await.unwrap();
        assert_eq!(finding().await, Value::Null, "after {change} was undone");
    }
    world.stop().await.discard().await;
}
