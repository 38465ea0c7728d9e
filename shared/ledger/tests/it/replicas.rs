//! Two ledgers on one database, as two replicas have it: one chain, killed connections, going back in
//! time.

use ledger::append::Error;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::database::{Database, append, entry, entry_with_id, tenant};
use crate::independent::{scalar, verify};

#[sqlx::test(migrations = false)]
async fn two_replicas_share_a_chain_without_fork_or_gap(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledgers = [database.ledger().await, database.ledger().await];
    let acme = tenant("acme");
    let mut appends = JoinSet::new();
    for worker in 0..40 {
        let (ledger, acme) = (ledgers[worker % 2].clone(), acme.clone());
        appends.spawn(async move {
            let mut seqs = Vec::new();
            for n in 0..15 {
                let entries = (0..=n % 3).map(|m| entry("default", n * 10 + m)).collect();
                let receipts = append(&ledger, &acme, "default", entries).await.unwrap();
                seqs.extend(receipts.into_iter().map(|receipt| receipt.seq));
            }
            seqs
        });
    }
    let mut seqs = appends.join_all().await.concat();
    seqs.sort_unstable();
    assert!(seqs.iter().copied().eq(0..1_200), "every seq once");
    let sizes = verify(&database.pool, &[&acme]).await;
    assert_eq!(sizes.values().sum::<i64>(), 1_200);
}

#[sqlx::test(migrations = false)]
async fn ids_survive_killed_connections(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledgers = [database.ledger().await, database.ledger().await];
    let acme = tenant("acme");
    let (done, mut appended) = mpsc::unbounded_channel();
    let mut appends = JoinSet::new();
    for worker in 0..20 {
        let (ledger, acme) = (ledgers[worker % 2].clone(), acme.clone());
        let done = done.clone();
        appends.spawn(async move {
            for n in 0..20 {
                // Ids of the server's own must survive its retries as well.
                let own = entry_with_id("default", Uuid::now_v7(), n);
                let entries = vec![own, entry("default", n)];
                let receipts = append(&ledger, &acme, "default", entries).await;
                let receipts = receipts.unwrap();
                assert!(receipts.iter().all(|receipt| !receipt.repeated));
                done.send(()).unwrap();
            }
        });
    }
    drop(done);
    let mut killed = 0;
    let mut batch = Vec::new();
    // Some get through in between; where exactly the rest is struck differs from run to run.
    while appended.recv_many(&mut batch, 9).await > 0 {
        batch.clear();
        let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and application_name = 'ledger lane'";
        killed += scalar(&database.pool, kill).await;
    }
    appends.join_all().await;
    assert!(killed > 0);
    let sizes = verify(&database.pool, &[&acme]).await;
    assert_eq!(sizes.values().sum::<i64>(), 800, "each entry once");
}

#[sqlx::test(migrations = false)]
async fn a_database_that_went_back_in_time_closes_the_chain(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let acme = tenant("acme");
    for n in 0..4 {
        append(&ledger, &acme, "default", vec![entry("default", n)])
            .await
            .unwrap();
    }
    append(&ledger, &acme, "system", vec![entry("system", 0)])
        .await
        .unwrap();
    go_back(&database.pool, &acme, 2).await;
    let refused = append(&ledger, &acme, "default", vec![entry("default", 4)]).await;
    assert!(
        matches!(refused, Err(Error::RollbackDetected)),
        "{refused:?}"
    );

    // Another process knows nothing of what was lost, and grows the chain past where it was.
    let other = database.ledger().await;
    for n in 0..4 {
        append(&other, &acme, "default", vec![entry("default", n)])
            .await
            .unwrap();
    }
    let refused = append(&ledger, &acme, "default", vec![entry("default", 5)]).await;
    assert!(
        matches!(refused, Err(Error::RollbackDetected)),
        "{refused:?}"
    );
    // Chains that lost nothing go on.
    append(&ledger, &acme, "system", vec![entry("system", 1)])
        .await
        .unwrap();
    verify(&database.pool, &[&acme]).await;
}

#[sqlx::test(migrations = false)]
async fn a_chain_that_grew_past_the_loss_is_recognised_too(pool: PgPool) {
    let database = Database::new(pool).await;
    let (ledger, other) = (database.ledger().await, database.ledger().await);
    let acme = tenant("acme");
    for n in 0..4 {
        append(&ledger, &acme, "default", vec![entry("default", n)])
            .await
            .unwrap();
    }
    go_back(&database.pool, &acme, 2).await;
    for n in 0..4 {
        append(&other, &acme, "default", vec![entry("default", n)])
            .await
            .unwrap();
    }
    let refused = append(&ledger, &acme, "default", vec![entry("default", 5)]).await;
    assert!(
        matches!(refused, Err(Error::RollbackDetected)),
        "{refused:?}"
    );
    let sizes = verify(&database.pool, &[&acme]).await;
    assert_eq!(sizes.values().sum::<i64>(), 6);
}

/// As a restore does it: past every trigger.
async fn go_back(pool: &PgPool, tenant: &ledger::Tenant, size: i64) {
    let statements = format!(
        "begin; set local session_replication_role = replica;
         delete from ledger.entry_ids where tenant = '{id}' and partition = 'default' and seq >= {size};
         delete from ledger.entries where tenant = '{id}' and partition = 'default' and seq >= {size};
         update ledger.chains c set size = {size}, hash = e.hash, received_at = e.received_at
           from ledger.entries e where c.tenant = '{id}' and c.partition = 'default'
            and e.tenant = c.tenant and e.partition = c.partition and e.seq = {size} - 1;
         commit",
        id = tenant.id
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements))
        .execute(pool)
        .await
        .unwrap();
}
