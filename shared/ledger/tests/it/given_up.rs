//! Reads that are given up at any of their steps leave the connection as if they had never been.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ledger::{Ledger, Tenant};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{Database, append, entry, tenant};

/// Polls the future so many times and drops it then; whether it was done before.
async fn give_up_after(steps: usize, work: impl Future) -> bool {
    let mut work = pin!(work);
    let mut step = 0;
    poll_fn(|context| {
        step += 1;
        match work.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if step >= steps => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Until the reader's connection does nothing; it must not stand inside a transaction.
async fn until_idle(pool: &PgPool) {
    let state = "select coalesce(string_agg(state, ' '), '') from pg_stat_activity
        where application_name = 'ledger reader' and datname = current_database()";
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    let mut last = String::new();
    let idle = async {
        // More than once in a row: what was given up may still be on its way to the server.
        let mut in_a_row = 0;
        while in_a_row < 5 {
            ticks.tick().await;
            last = sqlx::query_scalar(state).fetch_one(pool).await.unwrap();
            in_a_row = if matches!(last.as_str(), "idle" | "") {
                in_a_row + 1
            } else {
                0
            };
        }
    };
    // Shorter than the server's patience with such transactions.
    let waited = tokio::time::timeout(Duration::from_secs(5), idle).await;
    assert!(waited.is_ok(), "the reader's connection is {last}");
}

async fn read(ledger: &Ledger, tenant: &Tenant, which: usize) {
    match which {
        0 => drop(ledger.by_id(tenant, Uuid::nil()).await),
        1 => drop(ledger.partitions(tenant).await),
        _ => drop(ledger.ready().await),
    }
}

#[sqlx::test(migrations = false)]
async fn no_connection_goes_back_inside_a_transaction(pool: PgPool) {
    let database = Database::new(pool).await;
    let mut config = database.config();
    config.readers = 1;
    let ledger = Ledger::start(config).await.unwrap();
    let (acme, other) = (tenant("acme"), tenant("other"));
    append(&ledger, &acme, "default", vec![entry("default", 0)])
        .await
        .unwrap();
    for which in 0..3 {
        let mut given_up = 0;
        for steps in 1..40 {
            if give_up_after(steps, read(&ledger, &acme, which)).await {
                break;
            }
            given_up = steps;
            until_idle(&database.pool).await;
        }
        assert!(given_up > 0, "{which} was done at once");
        // The next one sees its own tenant and nothing else.
        let seen = ledger.partitions(&other).await.unwrap();
        assert!(seen.iter().all(|partition| partition.size == 0));
        let seen = ledger.partitions(&acme).await.unwrap();
        assert!(seen.iter().any(|partition| partition.size == 1));
    }
    ledger.stop().await;
}
