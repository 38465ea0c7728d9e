//! A database that does not answer, and more requests than there is room for.

use std::time::Duration;

use ledger::Ledger;
use ledger::append::Error;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::database::{Database, append, entry, entry_with_id, tenant, url};
use crate::independent::{scalar, verify};

#[sqlx::test(migrations = false)]
async fn a_database_that_is_away_is_waited_for_and_not_for_ever(pool: PgPool) {
    let database = Database::new(pool).await;
    let mut config = database.config();
    config.append_timeout = Duration::from_millis(300);
    config.acquire_timeout = Duration::from_millis(300);
    let ledger = Ledger::start(config).await.unwrap();
    let acme = tenant("acme");
    append(&ledger, &acme, "default", vec![entry("default", 0)])
        .await
        .unwrap();
    let name: String = sqlx::query_scalar("select current_database()")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    let mut outside = PgConnection::connect(&url("postgres")).await.unwrap();
    let allow = async |outside: &mut PgConnection, allow: bool| {
        let statement = format!("alter database \"{name}\" with allow_connections {allow}");
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut *outside)
            .await
            .unwrap();
    };
    allow(&mut outside, false).await;
    let kill = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
    sqlx::query(kill)
        .bind(&name)
        .execute(&mut outside)
        .await
        .unwrap();

    // The connection broke before the statement was sent, or while: either way nobody is told more
    // than is known.
    let away = append(&ledger, &acme, "default", vec![entry("default", 1)]).await;
    assert!(
        matches!(away, Err(Error::Unavailable(Some(_)) | Error::Unknown(_))),
        "{away:?}"
    );
    // Nothing was sent of these.
    let away = append(&ledger, &acme, "default", vec![entry("default", 2)]).await;
    assert!(matches!(away, Err(Error::Unavailable(Some(_)))), "{away:?}");
    assert!(matches!(
        ledger.ready().await,
        Err(ledger::Error::Unavailable(_))
    ));
    assert!(matches!(
        ledger.by_id(&acme, Uuid::nil()).await,
        Err(ledger::Error::Unavailable(_))
    ));

    allow(&mut outside, true).await;
    let pool = PgPool::connect(&database.url).await.unwrap();
    // The lane finds its way back by itself, within a pause or two.
    while append(&ledger, &acme, "default", vec![entry("default", 3)])
        .await
        .is_err()
    {}
    ledger.ready().await.unwrap();
    ledger.stop().await;
    let sizes = verify(&pool, &[&acme]).await;
    assert_eq!(sizes.values().sum::<i64>(), 2);
    pool.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_full_queue_refuses_at_once_and_a_locked_chain_delays_nobody_for_ever(pool: PgPool) {
    let database = Database::new(pool).await;
    let mut config = database.config();
    config.queue_bytes = 20_000;
    let ledger = Ledger::start(config).await.unwrap();
    let acme = tenant("acme");
    append(&ledger, &acme, "default", vec![entry("default", 0)])
        .await
        .unwrap();
    let mut holder = database.pool.begin().await.unwrap();
    sqlx::query("select from ledger.chains for update")
        .execute(&mut *holder)
        .await
        .unwrap();
    let mut appends = JoinSet::new();
    for n in 0..200 {
        let (ledger, acme) = (ledger.clone(), acme.clone());
        let entries = vec![entry_with_id("default", Uuid::now_v7(), n)];
        appends.spawn(async move { append(&ledger, &acme, "default", entries).await });
    }
    // While the head's row is locked only those without room are answered.
    let first = appends.join_next().await.unwrap().unwrap();
    assert!(matches!(first, Err(Error::Overloaded)), "{first:?}");
    holder.rollback().await.unwrap();
    let mut stored = 0;
    for answer in appends.join_all().await {
        match answer {
            Ok(_) => stored += 1,
            Err(error) => assert!(matches!(error, Error::Overloaded), "{error}"),
        }
    }
    assert!(stored > 10);
    assert_eq!(
        scalar(&database.pool, "select count(*) from ledger.entries").await,
        stored + 1
    );
    verify(&database.pool, &[&acme]).await;
}

#[sqlx::test(migrations = false)]
async fn a_locked_chain_delays_only_itself(pool: PgPool) {
    let database = Database::new(pool).await;
    let mut config = database.config();
    config.lanes = 1;
    let ledger = Ledger::start(config).await.unwrap();
    let tenants = ["acme", "acme-eu", "other"].map(tenant);
    for tenant in &tenants {
        append(&ledger, tenant, "default", vec![entry("default", 0)])
            .await
            .unwrap();
    }
    let mut holder = database.pool.begin().await.unwrap();
    sqlx::query("select from ledger.chains where tenant = $1 for update")
        .bind(tenants[0].id)
        .execute(&mut *holder)
        .await
        .unwrap();
    let mut locked = JoinSet::new();
    let mut free = JoinSet::new();
    for n in 1..40 {
        for (index, tenant) in tenants.iter().enumerate() {
            let (ledger, tenant) = (ledger.clone(), tenant.clone());
            let appends = if index == 0 { &mut locked } else { &mut free };
            let entries = vec![entry("default", n)];
            appends.spawn(async move { append(&ledger, &tenant, "default", entries).await });
        }
    }
    // All of the others, while the lock is held.
    for answer in free.join_all().await {
        answer.unwrap();
    }
    assert!(locked.try_join_next().is_none());
    holder.rollback().await.unwrap();
    for answer in locked.join_all().await {
        answer.unwrap();
    }
    verify(&database.pool, &tenants.each_ref()).await;
}

#[sqlx::test(migrations = false)]
async fn a_database_that_refuses_to_write_is_not_connected_to_without_a_pause(pool: PgPool) {
    let database = Database::new(pool).await;
    let mut config = database.config();
    config.lanes = 1;
    config.append_timeout = Duration::from_secs(2);
    let ledger = Ledger::start(config).await.unwrap();
    let acme = tenant("acme");
    append(&ledger, &acme, "default", vec![entry("default", 0)])
        .await
        .unwrap();
    let read_only = async |on: bool| {
        let statement = format!(
            "do $$ begin execute format('alter database %I set default_transaction_read_only = {on}', current_database()); end $$"
        );
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&database.pool)
            .await
            .unwrap();
    };
    // As a standby behaves that took the place of the server: it lets one in, and reads.
    read_only(true).await;
    let kill = "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and application_name = 'ledger lane'";
    sqlx::query(kill).execute(&database.pool).await.unwrap();
    let sessions =
        "select sum(sessions)::int8 from pg_stat_database where datname = current_database()";
    let before = scalar(&database.pool, sessions).await;
    let refused = append(&ledger, &acme, "default", vec![entry("default", 1)]).await;
    assert!(
        matches!(
            refused,
            Err(Error::Unavailable(Some(_)) | Error::Unknown(_))
        ),
        "{refused:?}"
    );
    let connected = scalar(&database.pool, sessions).await - before;
    assert!(
        (1..20).contains(&connected),
        "{connected} connections in two seconds"
    );

    sqlx::raw_sql("begin read write; do $$ begin execute format('alter database %I reset default_transaction_read_only', current_database()); end $$; commit")
        .execute(&database.pool)
        .await
        .unwrap();
    append(&ledger, &acme, "default", vec![entry("default", 2)])
        .await
        .unwrap();
    verify(&database.pool, &[&acme]).await;
}

#[sqlx::test(migrations = false)]
async fn several_lanes_and_replicas_take_their_locks_in_one_order(pool: PgPool) {
    let database = Database::new(pool).await;
    let mut ledgers = Vec::new();
    for _ in 0..2 {
        let mut config = database.config();
        config.lanes = 3;
        ledgers.push(Ledger::start(config).await.unwrap());
    }
    let tenants: Vec<_> = (0..6).map(|n| tenant(&format!("tenant-{n}"))).collect();
    let mut appends = JoinSet::new();
    for worker in 0..60 {
        let (ledger, tenants) = (ledgers[worker % 2].clone(), tenants.clone());
        appends.spawn(async move {
            for n in 0..8 {
                let tenant = &tenants[(worker + n) % tenants.len()];
                let partition = ["default", "system"][n % 2];
                append(&ledger, tenant, partition, vec![entry(partition, n)])
                    .await
                    .unwrap();
            }
        });
    }
    appends.join_all().await;
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(scalar(&database.pool, deadlocks).await, 0);
    let sizes = verify(&database.pool, &tenants.iter().collect::<Vec<_>>()).await;
    assert_eq!(sizes.values().sum::<i64>(), 480);
}
