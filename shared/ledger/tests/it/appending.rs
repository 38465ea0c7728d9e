//! Appending: order, grouping, ids, refusals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledger::Receipt;
use ledger::append::Error;
use sqlx::PgPool;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::database::{Database, append, entry, entry_with_id, request, tenant};
use crate::independent::{scalar, verify};

#[sqlx::test(migrations = false)]
async fn receipts_are_consecutive_and_what_they_say_is_stored(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    let first = append(&ledger, &acme, "default", vec![entry("default", 0)])
        .await
        .unwrap();
    let rest = (1..4).map(|n| entry("default", n)).collect();
    let rest = append(&ledger, &acme, "default", rest).await.unwrap();
    let all: Vec<_> = first.iter().chain(&rest).collect();
    assert_eq!(all.iter().map(|r| r.seq).collect::<Vec<_>>(), [0, 1, 2, 3]);
    for (before, after) in all.iter().zip(&all[1..]) {
        assert_eq!(after.previous, before.hash);
        assert!(!after.repeated);
    }
    let stored = ledger.by_id(&acme, all[2].id).await.unwrap().unwrap();
    assert_eq!(
        (stored.seq, stored.hash, stored.previous, stored.received_at),
        (2, all[2].hash, all[2].previous, all[2].received_at)
    );
    stored.check().unwrap();
    verify(&database.pool, &[&acme]).await;
    ledger.stop().await;
    let late = append(&ledger, &acme, "default", vec![entry("default", 9)]).await;
    assert!(matches!(late, Err(Error::Unavailable(None))));
}

#[sqlx::test(migrations = false)]
async fn many_tenants_and_chains_go_through_one_statement(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let tenants: Vec<_> = (0..20).map(|n| tenant(&format!("tenant-{n}"))).collect();
    let mut appends = JoinSet::new();
    for n in 0..400 {
        let tenant = tenants[n % tenants.len()].clone();
        let partition = if n % 3 == 0 { "system" } else { "default" };
        let entries = (0..=n % 4).map(|m| entry(partition, n * 10 + m)).collect();
        let ledger = ledger.clone();
        appends.spawn(async move {
            append(&ledger, &tenant, partition, entries)
                .await
                .unwrap()
                .len()
        });
    }
    let receipts: usize = appends.join_all().await.into_iter().sum();
    let sizes = verify(&database.pool, &tenants.iter().collect::<Vec<_>>()).await;
    assert_eq!(sizes.len(), 40);
    assert_eq!(
        usize::try_from(sizes.values().sum::<i64>()).unwrap(),
        receipts
    );
    let transactions = "select count(distinct xmin::text) from ledger.entries";
    assert!(
        scalar(&database.pool, transactions).await < 100,
        "requests are grouped"
    );
    ledger.stop().await;
}

#[sqlx::test(migrations = false)]
async fn an_unknown_partition_is_refused_and_a_created_one_is_not(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    let refused = append(&ledger, &acme, "orders", vec![entry("orders", 0)]).await;
    assert!(
        matches!(refused, Err(Error::UnknownPartition)),
        "{refused:?}"
    );
    assert!(ledger.create_partition(&acme, "orders").await.unwrap());
    assert!(!ledger.create_partition(&acme, "orders").await.unwrap());
    assert!(ledger.create_partition(&acme, "No").await.is_err());
    append(&ledger, &acme, "orders", vec![entry("orders", 0)])
        .await
        .unwrap();
    let names = ledger.partitions(&acme).await.unwrap();
    let sizes: Vec<_> = names
        .iter()
        .map(|p| (p.partition.as_str(), p.size))
        .collect();
    assert_eq!(sizes, [("default", 0), ("orders", 1), ("system", 0)]);
    // The same name of another tenant is another chain.
    let other = append(
        &ledger,
        &tenant("acme-eu"),
        "orders",
        vec![entry("orders", 0)],
    )
    .await;
    assert!(matches!(other, Err(Error::UnknownPartition)));
    verify(&database.pool, &[&acme]).await;
}

#[sqlx::test(migrations = false)]
async fn who_is_shut_out_while_waiting_appends_nothing(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    let admitted = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&admitted);
    let mut refused = request(&acme, "default", vec![entry("default", 0)]);
    refused.admit = Arc::new(move || asked.load(Ordering::Relaxed));
    let again = Arc::clone(&refused.admit);
    assert!(matches!(
        ledger.append(refused).await,
        Err(Error::NotAdmitted)
    ));
    admitted.store(true, Ordering::Relaxed);
    let mut admitted = request(&acme, "default", vec![entry("default", 1)]);
    admitted.admit = again;
    assert_eq!(ledger.append(admitted).await.unwrap()[0].seq, 0);
}

#[sqlx::test(migrations = false)]
async fn a_repeated_id_gets_its_first_receipt(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    let (known, new) = (Uuid::now_v7(), Uuid::now_v7());
    let own = |id, number| entry_with_id("default", id, number);
    let first = append(&ledger, &acme, "default", vec![own(known, 1)])
        .await
        .unwrap();
    let second = append(&ledger, &acme, "default", vec![own(known, 1)])
        .await
        .unwrap();
    let repeated = Receipt {
        repeated: true,
        ..first[0].clone()
    };
    assert_eq!(second[0], repeated);

    // Known and new in one request: the known keep their receipts, the new are appended.
    let mixed = vec![own(new, 2), own(known, 1), entry("default", 3), own(new, 2)];
    let mixed = append(&ledger, &acme, "default", mixed).await.unwrap();
    assert_eq!(mixed[1], repeated);
    assert_eq!((mixed[0].seq, mixed[2].seq), (1, 2));
    assert_eq!(
        mixed[3],
        Receipt {
            repeated: true,
            ..mixed[0].clone()
        }
    );

    // Of other content or in another partition, nothing of the request is stored.
    let other = append(
        &ledger,
        &acme,
        "default",
        vec![entry("default", 4), own(known, 5)],
    )
    .await;
    assert!(
        matches!(other, Err(Error::Conflict { index: 1, id }) if id == known),
        "{other:?}"
    );
    let moved = vec![entry_with_id("system", known, 1)];
    let moved = append(&ledger, &acme, "system", moved).await;
    assert!(
        matches!(moved, Err(Error::Conflict { index: 0, .. })),
        "{moved:?}"
    );
    let within = vec![own(Uuid::max(), 1), own(Uuid::max(), 2)];
    let within = append(&ledger, &acme, "default", within).await;
    assert!(
        matches!(within, Err(Error::Conflict { index: 1, .. })),
        "{within:?}"
    );

    // Another tenant may have the same id.
    let globex = tenant("globex");
    let elsewhere = append(&ledger, &globex, "default", vec![own(known, 9)])
        .await
        .unwrap();
    assert!(!elsewhere[0].repeated);
    let sizes = verify(&database.pool, &[&acme, &globex]).await;
    assert_eq!(sizes.values().sum::<i64>(), 4);
}

#[sqlx::test(migrations = false)]
async fn one_id_many_times_at_once_is_stored_once(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledgers = [database.ledger().await, database.ledger().await];
    let acme = tenant("acme");
    let id = Uuid::now_v7();
    let mut appends = JoinSet::new();
    for n in 0..100 {
        let (ledger, acme) = (ledgers[n % 2].clone(), acme.clone());
        // Half of them in another partition: one of the two is refused everywhere.
        let partition = if n % 4 < 2 { "default" } else { "system" };
        let entries = vec![entry(partition, n), entry_with_id(partition, id, 0)];
        appends.spawn(async move { append(&ledger, &acme, partition, entries).await });
    }
    let answers = appends.join_all().await;
    let receipts: Vec<_> = answers
        .iter()
        .flatten()
        .map(|receipts| &receipts[1])
        .collect();
    assert_eq!(receipts.len(), 50);
    assert_eq!(
        receipts.iter().filter(|receipt| !receipt.repeated).count(),
        1
    );
    assert!(
        receipts
            .iter()
            .all(|receipt| receipt.hash == receipts[0].hash)
    );
    let conflicts = answers
        .iter()
        .filter(|answer| matches!(answer, Err(Error::Conflict { index: 1, .. })));
    assert_eq!(conflicts.count(), 50);
    let sizes = verify(&database.pool, &[&acme]).await;
    assert_eq!(sizes.values().sum::<i64>(), 51);
}

#[sqlx::test(migrations = false)]
async fn what_the_database_refuses_fails_alone(pool: PgPool) {
    let database = Database::new(pool).await;
    // Stands for any limit of the database that a request may run into.
    sqlx::raw_sql(
        "alter table ledger.entries add constraint no_poison check (event not like '%\"u666\"%')",
    )
    .execute(&database.pool)
    .await
    .unwrap();
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    let mut appends = JoinSet::new();
    for n in 600..700 {
        let (ledger, acme) = (ledger.clone(), acme.clone());
        appends.spawn(async move {
            let entries = vec![entry("default", 0), entry("default", n)];
            (n, append(&ledger, &acme, "default", entries).await)
        });
    }
    for (n, answer) in appends.join_all().await {
        match answer {
            Ok(_) => assert_ne!(n, 666),
            Err(error) => assert!(
                n == 666 && matches!(error, Error::Refused(_)),
                "{n}: {error}"
            ),
        }
    }
    let sizes = verify(&database.pool, &[&acme]).await;
    assert_eq!(sizes.values().sum::<i64>(), 198);
}

#[sqlx::test(migrations = false)]
async fn a_client_that_gave_up_blocks_nobody(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    for n in 0..50 {
        let mut gone = Box::pin(append(&ledger, &acme, "default", vec![entry("default", n)]));
        // Polled once, so that it is on its way, and dropped.
        assert!(futures_poll(&mut gone).await.is_none());
    }
    append(&ledger, &acme, "default", vec![entry("default", 99)])
        .await
        .unwrap();
    ledger.stop().await;
    let sizes = verify(&database.pool, &[&acme]).await;
    assert_eq!(sizes.values().sum::<i64>(), 51);
}

async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        let polled = std::pin::Pin::new(&mut *future).poll(context);
        std::task::Poll::Ready(match polled {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
