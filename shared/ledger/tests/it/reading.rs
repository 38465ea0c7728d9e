//! Reading: by id, by range, by time, and what other tenants see of it: nothing.

use chain::{Stored, Timestamp};
use ledger::{Ledger, Limit, Order, Range, Scan, Tenant, Times};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{Database, append, entry, tenant};

const PAGE: Limit = Limit {
    rows: 7,
    bytes: 1 << 20,
};

fn range(from: u64, to: u64, order: Order, limit: Limit) -> Range {
    Range {
        generation: None,
        from,
        to,
        order,
        limit,
    }
}

fn seqs(entries: &[Stored]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq).collect()
}

#[sqlx::test(migrations = false)]
async fn pages_of_a_chain_in_both_orders(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    let entries = (0..20).map(|n| entry("default", n)).collect();
    append(&ledger, &acme, "default", entries).await.unwrap();
    let read = async |range| ledger.range(&acme, "default", range).await.unwrap();
    let page = read(range(0, 100, Order::Ascending, PAGE)).await;
    assert_eq!(seqs(&page), (0..7).collect::<Vec<_>>());
    let middle = read(range(5, 9, Order::Ascending, PAGE)).await;
    assert_eq!(seqs(&middle), [5, 6, 7, 8]);
    let last = read(range(0, 100, Order::Descending, PAGE)).await;
    assert_eq!(seqs(&last), (13..20).rev().collect::<Vec<_>>());
    let start = read(range(0, 3, Order::Descending, PAGE)).await;
    assert_eq!(seqs(&start), [2, 1, 0]);
    // The entry before is known in every page, also where the page begins or ends.
    for entry in [page, middle, last, start].concat() {
        entry.check().unwrap();
        assert_ne!(entry.previous.0, [0; 32]);
    }
    // A page has at least one row, and stops at the bytes asked for.
    let one = read(range(3, 100, Order::Ascending, Limit { rows: 7, bytes: 1 })).await;
    assert_eq!(seqs(&one), [3]);
    let two = one[0].event.len() + one[0].parts.as_ref().map_or(0, String::len) + 1;
    let two = Limit {
        rows: 7,
        bytes: two as u64,
    };
    assert_eq!(
        seqs(&read(range(3, 100, Order::Ascending, two)).await),
        [3, 4]
    );
    assert_eq!(
        seqs(&read(range(3, 10, Order::Descending, two)).await),
        [9, 8]
    );
    assert!(
        read(range(20, 100, Order::Ascending, PAGE))
            .await
            .is_empty()
    );
    assert!(
        ledger
            .range(&acme, "orders", range(0, 9, Order::Ascending, PAGE))
            .await
            .unwrap()
            .is_empty()
    );
}

/// Three chains whose entries take turns, each with a time of its own.
async fn three_chains(
    database: &Database,
    ledger: &Ledger,
    acme: &Tenant,
) -> Vec<(Timestamp, String, u64)> {
    for partition in ["orders", "users"] {
        ledger.create_partition(acme, partition).await.unwrap();
    }
    let mut all = Vec::new();
    for n in 0..30 {
        let partition = ["default", "orders", "users"][n % 3];
        let count = 1 + n % 2;
        let entries = (0..count).map(|m| entry(partition, n * 10 + m)).collect();
        let receipts = append(ledger, acme, partition, entries).await.unwrap();
        all.extend(
            receipts
                .into_iter()
                .map(|r| (r.received_at, r.partition, r.seq)),
        );
    }
    crate::independent::verify(&database.pool, &[acme]).await;
    all.sort();
    all
}

async fn scan(
    ledger: &Ledger,
    acme: &Tenant,
    times: Times,
    order: Order,
    limit: Limit,
) -> Vec<(Timestamp, String, u64)> {
    let windows = ledger.windows(acme, &[], times).await.unwrap();
    let mut scan = Scan {
        windows,
        times,
        order,
        limit,
    };
    let mut all = Vec::new();
    loop {
        let page = ledger.by_time(acme, &scan).await.unwrap();
        assert!(page.len() <= limit.rows as usize);
        if page.is_empty() {
            return all;
        }
        for entry in page {
            entry.check().unwrap();
            scan.consume(&entry.partition, entry.generation, entry.seq);
            all.push((entry.received_at, entry.partition, entry.seq));
        }
    }
}

#[sqlx::test(migrations = false)]
async fn entries_of_several_chains_come_by_time(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    let all = three_chains(&database, &ledger, &acme).await;
    let everything = Times::default();
    let one_row = Limit {
        rows: 1,
        bytes: 1 << 20,
    };
    let few_bytes = Limit {
        rows: 100,
        bytes: 700,
    };
    for limit in [PAGE, one_row, few_bytes] {
        assert_eq!(
            scan(&ledger, &acme, everything, Order::Ascending, limit).await,
            all
        );
        let mut descending = scan(&ledger, &acme, everything, Order::Descending, limit).await;
        descending.reverse();
        assert_eq!(descending, all);
    }
    // Every time is a bound that something stands at.
    for (from, to) in [(0, 10), (10, 11), (7, 44), (44, 44), (20, 10)] {
        let times = Times {
            from: Some(all[from].0),
            to: Some(all[to].0),
        };
        let expected = all
            .iter()
            .filter(|(at, ..)| *at >= all[from].0 && *at < all[to].0);
        let expected: Vec<_> = expected.cloned().collect();
        assert_eq!(
            scan(&ledger, &acme, times, Order::Ascending, PAGE).await,
            expected
        );
        let windows = ledger.windows(&acme, &[], times).await.unwrap();
        let within: u64 = windows.iter().map(|w| w.to.saturating_sub(w.from)).sum();
        assert_eq!(within, expected.len() as u64, "windows hold nothing else");
    }
    let orders = ledger
        .windows(&acme, &["orders".to_owned()], everything)
        .await
        .unwrap();
    assert_eq!((orders.len(), orders[0].from, orders[0].to), (1, 0, 15));
}

#[sqlx::test(migrations = false)]
async fn another_tenant_sees_nothing(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let (acme, acme_eu) = (tenant("acme"), tenant("acme-eu"));
    let receipt = append(&ledger, &acme, "default", vec![entry("default", 0)])
        .await
        .unwrap()
        .remove(0);
    assert!(ledger.by_id(&acme_eu, receipt.id).await.unwrap().is_none());
    assert!(ledger.by_id(&acme, Uuid::now_v7()).await.unwrap().is_none());
    let all = range(0, 100, Order::Ascending, PAGE);
    assert!(
        ledger
            .range(&acme_eu, "default", all)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        ledger
            .windows(&acme_eu, &[], Times::default())
            .await
            .unwrap()
            .is_empty()
    );
    let mut scan = Scan {
        windows: ledger.windows(&acme, &[], Times::default()).await.unwrap(),
        times: Times::default(),
        order: Order::Ascending,
        limit: PAGE,
    };
    assert_eq!(ledger.by_time(&acme, &scan).await.unwrap().len(), 1);
    assert!(ledger.by_time(&acme_eu, &scan).await.unwrap().is_empty());
    scan.windows.clear();
    assert!(ledger.by_time(&acme, &scan).await.unwrap().is_empty());
    assert!(
        ledger
            .audit(&acme_eu, "default", None, PAGE)
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    assert!(
        ledger
            .partitions(&acme_eu)
            .await
            .unwrap()
            .iter()
            .all(|p| p.size == 0)
    );
}
