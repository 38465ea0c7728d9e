//! What chains of many tenants have grown by, as a tailer asks for it.

use chain::{Entry, Recorder, Stored};
use ledger::read::{Grown, Growth, Tail};
use ledger::{Ledger, Limit, Order, Range, Tenant};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{Database, append, entry, tamper, tenant};

const PAGE: Limit = Limit {
    rows: 100,
    bytes: 1 << 20,
};

/// What a chain is read with beside the tail.
async fn chain(ledger: &Ledger, tenant: &Tenant, partition: &str) -> Vec<Stored> {
    let range = Range {
        generation: None,
        from: 0,
        to: 1_000,
        order: Order::Ascending,
        limit: Limit {
            rows: 1_000,
            bytes: 64 << 20,
        },
    };
    ledger.range(tenant, partition, range).await.unwrap()
}

fn growth<'a>(tenant: &'a Tenant, partition: &'a str, from: u64, to: u64) -> Growth<'a> {
    Growth {
        tenant,
        partition,
        generation: 1,
        from,
        to,
        since: None,
        previous: None,
    }
}

/// Behind this entry.
fn behind<'a>(tenant: &'a Tenant, last: &'a Stored, to: u64) -> Growth<'a> {
    Growth {
        since: Some(last.received_at),
        previous: Some(last.hash),
        ..growth(tenant, &last.partition, last.seq + 1, to)
    }
}

fn entries(grown: Vec<Grown>) -> Vec<(usize, Stored)> {
    let entries = grown.into_iter().map(|row| {
        let entry = row.entry.unwrap();
        assert_eq!(entry.seq, row.seq);
        (row.nth, entry)
    });
    entries.collect()
}

fn text(entry: &Stored) -> u64 {
    let parts = entry.parts.as_ref().map_or(0, String::len);
    (entry.event.len() + parts) as u64
}

/// With so many bytes of description.
fn entry_of(bytes: usize) -> Entry {
    let description = "x".repeat(bytes);
    let posted = format!(
        r#"{{"partition":"default","action":"invoice.paid","actor":{{"type":"user","id":"u1"}},"description":"{description}"}}"#
    );
    let recorder = Recorder {
        kind: "service",
        id: "0197a0a0-0000-7000-8000-000000000001",
    };
    Entry::parse(posted.as_bytes(), recorder, Uuid::now_v7()).unwrap()
}

#[sqlx::test(migrations = false)]
async fn chains_of_several_tenants_in_the_order_asked_for(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    ledger.create_partition(&acme, "orders").await.unwrap();
    for (tenant, partition, count) in [
        (&acme, "default", 20),
        (&acme, "orders", 3),
        (&globex, "default", 9),
    ] {
        let entries = (0..count).map(|n| entry(partition, n)).collect();
        append(&ledger, tenant, partition, entries).await.unwrap();
    }
    let acme_default = chain(&ledger, &acme, "default").await;
    let acme_orders = chain(&ledger, &acme, "orders").await;
    let globex_default = chain(&ledger, &globex, "default").await;

    let mut tail = ledger.tail();
    let mut heads = tail
        .heads_of(&[acme.id], &[(globex.id, "default"), (globex.id, "none")])
        .await
        .unwrap();
    heads.sort_by_key(|head| (head.tenant, head.partition.clone()));
    let of = |tenant: &Tenant, chain: &[Stored]| {
        let last = chain.last().unwrap();
        let at = (last.seq + 1, last.hash, Some(last.received_at));
        (tenant.id, last.partition.clone(), at)
    };
    let heads: Vec<_> = heads
        .into_iter()
        .map(|head| {
            (
                head.tenant,
                head.partition,
                (head.size, head.hash, head.received_at),
            )
        })
        .collect();
    let expected = [
        of(&acme, &acme_default),
        of(&acme, &acme_orders),
        of(&globex, &globex_default),
    ];
    assert_eq!(heads, expected);

    let asked = [
        behind(&globex, &globex_default[3], 9),
        growth(&acme, "nowhere", 0, 5),
        growth(&acme, "orders", 0, 3),
        behind(&acme, &acme_default[0], 20),
    ];
    let limit = Limit { rows: 7, ..PAGE };
    let grown = entries(tail.grown(&asked, limit).await.unwrap());
    let of = |nth: usize, chain: &[Stored]| chain.iter().map(|e| (nth, e.clone())).collect();
    let expected: Vec<Vec<_>> = vec![
        of(0, &globex_default[4..]),
        of(2, &acme_orders),
        of(3, &acme_default[1..8]),
    ];
    assert_eq!(grown, expected.concat());
    // Nothing of a chain beyond what was asked for, and nothing of nobody.
    let grown = tail.grown(&[growth(&acme, "default", 0, 2)], PAGE).await;
    assert_eq!(entries(grown.unwrap()), of(0, &acme_default[..2]));
    assert!(tail.grown(&[], PAGE).await.unwrap().is_empty());
    tail.close().await;
}

#[sqlx::test(migrations = false)]
async fn entries_larger_than_their_share(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    let sizes = [10, 3_000, 20, 30, 200_000, 3_000, 3_000, 40, 5_000, 50, 60];
    let posted = sizes.map(entry_of).into();
    append(&ledger, &acme, "default", posted).await.unwrap();
    let all = chain(&ledger, &acme, "default").await;
    let limit = Limit {
        rows: 10,
        bytes: 8_000,
    };
    let mut tail = ledger.tail();
    let mut read: Vec<Stored> = Vec::new();
    while read.len() < all.len() {
        let to = all.len() as u64;
        let next = match read.last() {
            Some(last) => behind(&acme, last, to),
            None => growth(&acme, "default", 0, to),
        };
        let page = entries(tail.grown(&[next], limit).await.unwrap());
        let before_last: u64 = page
            .iter()
            .rev()
            .skip(1)
            .map(|(_, entry)| text(entry))
            .sum();
        assert!(!page.is_empty() && before_last < limit.bytes);
        read.extend(page.into_iter().map(|(_, entry)| entry));
    }
    assert_eq!(read, all);
}

#[sqlx::test(migrations = false)]
async fn what_is_not_there_any_more_is_left_out(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    let posted = (0..20).map(|n| entry("default", n)).collect();
    append(&ledger, &acme, "default", posted).await.unwrap();
    let all = chain(&ledger, &acme, "default").await;
    let gone = "delete from ledger.entries where partition = 'default' and seq in (3, 4, 8)";
    tamper(&database.pool, gone).await;

    let mut tail = ledger.tail();
    let mut read = async |from: usize| {
        let asked = [behind(&acme, &all[from - 1], 20)];
        entries(tail.grown(&asked, Limit { rows: 5, ..PAGE }).await.unwrap())
    };
    // Up to the gap.
    let page = read(1).await;
    assert_eq!(page.iter().map(|(_, e)| e.seq).collect::<Vec<_>>(), [1, 2]);
    // From there on, with nothing known of what came before.
    let page = read(3).await;
    let hashes: Vec<_> = page.iter().map(|(_, e)| (e.seq, e.previous)).collect();
    let none = chain::Hash([0; 32]);
    let expected = [
        (5, none),
        (6, all[5].hash),
        (7, all[6].hash),
        (9, none),
        (10, all[9].hash),
    ];
    assert_eq!(hashes, expected);
}

#[sqlx::test(migrations = false)]
async fn a_damaged_row_takes_no_other_along(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    let posted = (0..4).map(|n| entry("default", n)).collect();
    append(&ledger, &acme, "default", posted).await.unwrap();
    let all = chain(&ledger, &acme, "default").await;
    let short = "update ledger.entries set hash = '\\x00' where partition = 'default' and seq = 1";
    tamper(&database.pool, short).await;

    let asked = [growth(&acme, "default", 0, 4)];
    let grown = ledger.tail().grown(&asked, PAGE).await.unwrap();
    let found: Vec<_> = grown
        .iter()
        .map(|row| row.entry.as_ref().ok().map(|entry| entry.previous))
        .collect();
    let none = chain::Hash([0; 32]);
    let expected = [Some(all[0].previous), None, Some(none), Some(all[2].hash)];
    assert_eq!(found, expected);
}

/// Ends the tails' connections, and waits until they are gone.
async fn cut(pool: &PgPool) {
    let cut = "select pg_terminate_backend(pid, 10000) from pg_stat_activity
                where datname = current_database() and application_name = 'ledger tailer'";
    let gone: Vec<bool> = sqlx::query_scalar(cut).fetch_all(pool).await.unwrap();
    assert_eq!(gone, [true]);
}

#[sqlx::test(migrations = false)]
async fn a_lost_connection_is_made_again(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    append(&ledger, &acme, "default", vec![entry("default", 1)])
        .await
        .unwrap();
    let all = chain(&ledger, &acme, "default").await;
    let mut tail = ledger.tail();
    let one = [growth(&acme, "default", 0, 1)];
    let read =
        async |tail: &mut Tail| Ok::<_, ledger::Error>(entries(tail.grown(&one, PAGE).await?));
    let expected = vec![(0, all[0].clone())];
    for _ in 0..3 {
        assert_eq!(read(&mut tail).await.unwrap(), expected);
        cut(&database.pool).await;
        // Noticed by a look that fails, or before one when the last is a while ago.
        match read(&mut tail).await {
            Ok(grown) => assert_eq!(grown, expected),
            Err(error) => assert!(matches!(error, ledger::Error::Unavailable(_)), "{error}"),
        }
    }
    let tenants = [acme.id];
    // A look that is given up on leaves nothing behind that the next one would read.
    let (mut given_up, mut looks) = (0, 0);
    while given_up < 3 {
        looks += 1;
        assert!(looks < 100, "answered before it is asked");
        assert_eq!(read(&mut tail).await.unwrap(), expected);
        // On a busy machine the answer may be there when it is first looked for.
        given_up += tokio::select! {
            biased;
            looked = tail.heads_of(&tenants, &[]) => looked.map(|_| 0).unwrap(),
            () = std::future::ready(()) => 1,
        };
    }
    assert_eq!(read(&mut tail).await.unwrap(), expected);
}
