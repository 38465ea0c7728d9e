//! What followers see and keep: heads, cursors, pages from a cursor on, claims, and cursors set back.

mod holds;

use std::time::Duration;

use ledger::follow::{self, Followed};
use ledger::{Chain, Cursor, Ledger, Limit, Tenant, Unindexed};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{Database, append, entry, tamper, tenant};

const INDEX: &str = "index.written";
const PAGE: Limit = Limit {
    rows: 100,
    bytes: 1 << 20,
};

fn followed(database: &Database) -> Followed {
    Followed::new(follow::Config::new(database.url.clone().into())).unwrap()
}

fn chain(tenant: &Tenant, partition: &str) -> Chain {
    Chain {
        tenant: tenant.id,
        partition: partition.to_owned(),
    }
}

/// Appends so many entries.
async fn grow(ledger: &Ledger, tenant: &Tenant, partition: &str, count: usize) {
    ledger.create_partition(tenant, partition).await.unwrap();
    let entries = (0..count).map(|number| entry(partition, number)).collect();
    append(ledger, tenant, partition, entries).await.unwrap();
}

/// The cursor after so many entries.
async fn at(followed: &Followed, chain: &Chain, next: u64) -> (Cursor, i64) {
    let behind = followed.due(INDEX, chain).await.unwrap().remove(0);
    let mut cursor = behind.cursor;
    cursor.next = next;
    (cursor, behind.epoch)
}

#[sqlx::test(migrations = false)]
async fn cursors_move_forward_alone_and_each_followers_apart(pool: PgPool) {
    let database = Database::new(pool).await;
    let (ledger, followed) = (database.ledger().await, followed(&database));
    let acme = tenant("acme");
    grow(&ledger, &acme, "default", 10).await;
    let chain = chain(&acme, "default");
    assert_eq!(followed.cursors(INDEX, acme.id).await.unwrap(), []);
    let due = followed.due(INDEX, &chain).await.unwrap();
    assert_eq!((due[0].cursor.next, due[0].size), (0, 10));

    for (next, expected) in [(3, 3), (7, 7), (5, 7), (0, 7)] {
        let cursor = at(&followed, &chain, next).await;
        followed.advance(INDEX, &[cursor]).await.unwrap();
        let progress = ledger.progress(INDEX, std::slice::from_ref(&chain)).await;
        assert_eq!(progress.unwrap()[0].next, expected);
    }
    let other = ledger
        .progress("another", std::slice::from_ref(&chain))
        .await;
    assert_eq!(other.unwrap()[0].next, 0);
    assert_eq!(
        ledger.cursors(INDEX, acme.id).await.unwrap().cursors.len(),
        1
    );
    assert_eq!(followed.due(INDEX, &chain).await.unwrap()[0].cursor.next, 7);

    let cursor = at(&followed, &chain, 10).await;
    followed.advance(INDEX, &[cursor]).await.unwrap();
    assert_eq!(followed.due(INDEX, &chain).await.unwrap(), []);
    ledger.stop().await;
}

#[sqlx::test(migrations = false)]
async fn heads_are_of_any_tenants_and_only_of_chains_that_are_there(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    grow(&ledger, &acme, "default", 3).await;
    grow(&ledger, &globex, "billing", 2).await;
    let asked = [
        chain(&acme, "default"),
        chain(&acme, "billing"),
        chain(&globex, "billing"),
    ];
    let heads = ledger.heads(&asked).await.unwrap();
    let mut sizes: Vec<_> = heads
        .iter()
        .map(|head| (head.tenant, &*head.partition, head.size))
        .collect();
    sizes.sort();
    assert_eq!(sizes, [(acme.id, "default", 3), (globex.id, "billing", 2)]);
    assert_eq!(ledger.progress(INDEX, &asked).await.unwrap().len(), 2);
    assert_eq!(ledger.heads(&[]).await.unwrap(), []);
    ledger.stop().await;
}

#[sqlx::test(migrations = false)]
async fn chains_that_are_behind_are_found_page_by_page(pool: PgPool) {
    let database = Database::new(pool).await;
    let (ledger, followed) = (database.ledger().await, followed(&database));
    let tenants = [tenant("acme"), tenant("globex"), tenant("initech")];
    for tenant in &tenants {
        for partition in ["a", "b", "c"] {
            grow(&ledger, tenant, partition, 2).await;
        }
    }
    let done = at(&followed, &chain(&tenants[1], "b"), 2).await;
    followed.advance(INDEX, &[done]).await.unwrap();
    for page in [1, 2, 4, 9, 100] {
        let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let (behind, next) = followed.behind(INDEX, after.as_ref(), page).await.unwrap();
            found.extend(
                behind
                    .into_iter()
                    .map(|b| (b.cursor.tenant, b.cursor.partition)),
            );
            after = next;
            pages += 1;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(pages, 9 / page + 1, "{page}");
        assert_eq!(found.len(), 8, "{page}");
        assert!(!found.contains(&(tenants[1].id, "b".to_owned())));
        found.dedup();
        assert_eq!(found.len(), 8);
    }
    ledger.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_closed_generation_is_followed_to_its_last_row(pool: PgPool) {
    let database = Database::new(pool).await;
    let (ledger, followed) = (database.ledger().await, followed(&database));
    let acme = tenant("acme");
    grow(&ledger, &acme, "default", 5).await;
    ledger.stop().await;
    // As an operator closes a chain after a restore.
    tamper(
        &database.pool,
        "update ledger.chains set generation = 2, size = 0, received_at = '0001-01-01 00:00:00+00'",
    )
    .await;
    let chain = chain(&acme, "default");
    let due = followed.due(INDEX, &chain).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!((due[0].cursor.generation, due[0].size), (1, 5));
    let (behind, _) = followed.behind(INDEX, None, 100).await.unwrap();
    assert_eq!(behind, due);
    let read = followed.entries(&due[0].cursor, 5, PAGE).await.unwrap();
    assert_eq!(read.len(), 5);
}

#[sqlx::test(migrations = false)]
async fn pages_begin_at_the_cursor_and_are_bounded(pool: PgPool) {
    let database = Database::new(pool).await;
    let (ledger, followed) = (database.ledger().await, followed(&database));
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    for tenant in [&acme, &globex] {
        grow(&ledger, tenant, "default", 50).await;
    }
    let (mut cursor, _) = at(&followed, &chain(&acme, "default"), 0).await;
    let mut seqs = Vec::new();
    while cursor.next < 40 {
        let limit = Limit { rows: 7, ..PAGE };
        let page = followed.entries(&cursor, 40, limit).await.unwrap();
        assert!(page.len() <= 7);
        assert!(page.iter().all(|row| row.event.contains("invoice.paid")));
        seqs.extend(page.iter().map(|row| row.seq));
        let last = page.last().unwrap();
        (cursor.next, cursor.received_at) = (last.seq + 1, last.received_at.unwrap());
    }
    assert_eq!(seqs, (0..40).collect::<Vec<u64>>());
    // However few bytes: one row comes.
    cursor.next = 3;
    let limit = Limit { rows: 7, bytes: 1 };
    let page = followed.entries(&cursor, 40, limit).await.unwrap();
    assert_eq!(page.iter().map(|row| row.seq).collect::<Vec<_>>(), [3]);
    ledger.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_changed_database_stops_no_follower(pool: PgPool) {
    let database = Database::new(pool).await;
    let (ledger, followed) = (database.ledger().await, followed(&database));
    let acme = tenant("acme");
    grow(&ledger, &acme, "default", 6).await;
    tamper(
        &database.pool,
        "delete from ledger.entries where seq in (1, 5); \
         update ledger.entries set event = 'no JSON', parts = '[', salt = null where seq = 2",
    )
    .await;
    let (cursor, _) = at(&followed, &chain(&acme, "default"), 0).await;
    let page = followed.entries(&cursor, 6, PAGE).await.unwrap();
    assert_eq!(
        page.iter().map(|row| row.seq).collect::<Vec<_>>(),
        [0, 2, 3, 4]
    );
    assert_eq!(page[1].event, "no JSON");
    ledger.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_claim_is_one_holders_until_he_gives_it_back_or_is_gone(pool: PgPool) {
    let database = Database::new(pool).await;
    let (here, there) = (followed(&database), followed(&database));
    let (here, there) = (here.claims().unwrap(), there.claims().unwrap());
    let claim = here.take("a").await.unwrap().unwrap();
    assert!(here.take("a").await.unwrap().is_none());
    assert!(there.take("a").await.unwrap().is_none());
    let other = there.take("b").await.unwrap().unwrap();
    claim.give_back().await.unwrap();
    let claim = there.take("a").await.unwrap().unwrap();
    assert!(here.take("a").await.unwrap().is_none());

    // Dropped, as by a task that was ended: over with the next thing that is asked for.
    drop(claim);
    other.give_back().await.unwrap();
    let claim = there.take("c").await.unwrap().unwrap();
    claim.give_back().await.unwrap();
    // Its connection was given up with it. The lock is free when the server has noticed, a little later.
    let free = sqlx::query("select pg_advisory_xact_lock(hashtextextended('a', 0))");
    let free = tokio::time::timeout(Duration::from_secs(20), free.execute(&database.pool));
    free.await.expect("a dropped claim ends").unwrap();
    let claim = here.take("a").await.unwrap().unwrap();

    // Its connection is gone: it goes on, on another, and somebody else may have taken it meanwhile. The lock is free when
    // the process has ended, a little later than its client knows.
    let kill = "select pg_terminate_backend(pid, 60000) from pg_stat_activity
                 where application_name = 'ledger claims' and datname = current_database()";
    sqlx::raw_sql(kill).execute(&database.pool).await.unwrap();
    assert!(claim.give_back().await.is_err());
    assert!(here.take("a").await.unwrap().is_some());
}

#[sqlx::test(migrations = false)]
async fn what_is_not_indexed_is_noted_once(pool: PgPool) {
    let database = Database::new(pool).await;
    let followed = followed(&database);
    let note = |tenant, seq, reason: &str| Unindexed {
        tenant,
        partition: "default".to_owned(),
        generation: 1,
        seq,
        reason: reason.to_owned(),
    };
    let (acme, globex) = (Uuid::now_v7(), Uuid::now_v7());
    let notes = [note(acme, 2, "x"), note(acme, 1, "a"), note(globex, 1, "g")];
    followed.note_unindexed(&notes).await.unwrap();
    let long = "\0ä".repeat(1_000);
    followed
        .note_unindexed(&[note(acme, 2, &long), note(acme, 2, &long)])
        .await
        .unwrap();
    let noted = followed.unindexed(acme, 10).await.unwrap();
    assert_eq!(noted[0], note(acme, 1, "a"));
    assert!(noted[1].reason.starts_with("\u{fffd}ä") && noted[1].reason.len() < 2_000);
    assert_eq!(noted.len(), 2);
    // Of the old index; kept until whoever holds the cursors lets go.
    let held = async || {
        followed
            .hold(&[INDEX], acme, &[], Duration::ZERO)
            .await
            .unwrap()
    };
    let (first, second) = (held().await, held().await);
    let kept = [
        note(acme, 1, "another reason"),
        note(acme, 7, "never noted"),
    ];
    assert!(!followed.release(&first, &[], &[]).await.unwrap());
    assert_eq!(followed.unindexed(acme, 10).await.unwrap().len(), 2);
    assert!(followed.release(&second, &[], &kept).await.unwrap());
    assert_eq!(
        followed.unindexed(acme, 10).await.unwrap(),
        [note(acme, 1, "a")]
    );
    let last = held().await;
    assert!(followed.release(&last, &[], &[]).await.unwrap());
    assert_eq!(followed.unindexed(acme, 10).await.unwrap(), []);
    assert_eq!(followed.unindexed(globex, 10).await.unwrap().len(), 1);
}

#[sqlx::test(migrations = false)]
async fn a_placement_stays_until_another_one_is_said(pool: PgPool) {
    let database = Database::new(pool).await;
    let followed = followed(&database);
    let (acme, globex) = (Uuid::now_v7(), Uuid::now_v7());
    let placement = async |tenant, new: &str| followed.placement(tenant, new).await.unwrap();
    assert_eq!(placement(acme, "own").await, "own");
    assert_eq!(placement(acme, "pooled").await, "own");
    for said in ["pooled", "own", "pooled"] {
        followed.set_placement(acme, said).await.unwrap();
        assert_eq!(placement(acme, "own").await, said);
    }
    assert_eq!(placement(globex, "own").await, "own");
    let unknown = followed.set_placement(globex, "elsewhere").await;
    assert!(unknown.is_err(), "{unknown:?}");
}
