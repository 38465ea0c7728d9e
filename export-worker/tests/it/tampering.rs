//! An export of entries that somebody changed fails and names the first of them.

use export::jobs::State;
use export::{Damage, Format};

use crate::world::{Place, World, request};

async fn found(world: &World, terms: &[(&str, &str)], change: &str) -> Damage {
    let job = world.ask(request(Format::Jsonl, terms)).await;
    world.sql(change).await;
    world.worker().catch_up().await.unwrap();
    let job = world.job(job.id).await;
    assert_eq!(job.state, State::Failed, "{change}: {job:?}");
    let failure = job.failure.unwrap();
    assert_eq!(failure.code, "damaged_entry", "{change}");
    failure.damage.unwrap()
}

const KEEP: &str = "create schema kept; create table kept.entries as select * from ledger.entries";
const BRING_BACK: &str =
    "delete from ledger.entries; insert into ledger.entries select * from kept.entries";

/// A change, and the entry that shows it.
const CHANGES: &[(&str, i64)] = &[
    (
        "update ledger.entries set event = replace(event, 'user.login', 'user.other') where seq = 3",
        3,
    ),
    (
        "update ledger.entries set parts = replace(parts, 'Ann', 'Bob') where seq = 4",
        4,
    ),
    (
        "update ledger.entries set received_at = received_at + interval '1 second' where seq = 5",
        5,
    ),
    (
        "update ledger.entries set hash = sha256('x') where seq = 5",
        5,
    ),
    (
        "update ledger.entries set hash = 'short'::bytea where seq = 5",
        5,
    ),
    (
        "update ledger.entries set id = gen_random_uuid() where seq = 5",
        5,
    ),
    ("delete from ledger.entries where seq = 5", 5),
    ("delete from ledger.entries where seq >= 5", 5),
    ("update ledger.entries set event = '{' where seq = 1", 1),
];

#[tokio::test]
async fn a_changed_entry_is_named() {
    let world = World::new(Place::Directory).await;
    world.fill("default", 10).await;
    world.sql(KEEP).await;
    world
        .sql("alter table ledger.entries drop constraint if exists entries_shape")
        .await;
    for (change, seq) in CHANGES {
        // The filter takes none of these entries: all that is looked at is verified.
        for terms in [&[][..], &[("action", "nothing.like.it")]] {
            let damage = found(&world, terms, change).await;
            assert_eq!(
                (damage.partition.as_str(), damage.seq),
                ("default", *seq),
                "{change}: {damage}"
            );
            world.sql(BRING_BACK).await;
        }
    }
    world.end().await;
}

/// Times are found by halving over rows that nobody has verified yet: whoever moves one to hide
/// entries from a period is found by the neighbours of the period.
#[tokio::test]
async fn entries_cannot_be_moved_out_of_a_period() {
    let world = World::new(Place::Directory).await;
    for _ in 0..8 {
        world.fill("default", 1).await;
    }
    let times: Vec<String> = {
        let chain = export::Stretch {
            partition: "default".to_owned(),
            generation: 1,
            from: 0,
            to: 8,
            beyond: false,
        };
        let range = ledger::Range {
            generation: Some(1),
            from: chain.from,
            to: chain.to,
            order: ledger::Order::Ascending,
            limit: export::PAGE,
        };
        let rows = world
            .ledger
            .range(&world.tenant, "default", range)
            .await
            .unwrap();
        rows.iter().map(|row| row.received_at.to_string()).collect()
    };
    let terms = [("from", times[2].as_str()), ("to", times[6].as_str())];
    let (job, file) = world.export(request(Format::Jsonl, &terms)).await;
    assert_eq!((job.stretches[0].from, job.stretches[0].to), (2, 6));
    assert_eq!(std::str::from_utf8(&file).unwrap().lines().count(), 4);

    world.sql(KEEP).await;
    // Entries 2 and 3 look as if they came before the period, 4 and 5 as if after it.
    for (change, seq) in [
        (
            "update ledger.entries set received_at = received_at - interval '1 day' where seq in (2, 3)",
            3,
        ),
        (
            "update ledger.entries set received_at = received_at + interval '1 day' where seq in (4, 5)",
            4,
        ),
    ] {
        world.sql(change).await;
        let damage = found(&world, &terms, "select").await;
        assert_eq!(damage.seq, seq, "{damage}");
        world.sql(BRING_BACK).await;
    }
    world.end().await;
}
