//! Rows that are not what they should be, where the ledger itself has to read them.

use ledger::append::Error;
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::database::{Database, append, entry, tenant};
use crate::independent::verify;

#[sqlx::test(migrations = false)]
async fn a_damaged_head_stops_its_chain_alone(pool: PgPool) {
    let database = Database::new(pool).await;
    let mut config = database.config();
    config.lanes = 1;
    let before = database.ledger().await;
    let (damaged, whole) = (tenant("acme"), tenant("acme-eu"));
    for tenant in [&damaged, &whole] {
        let first = vec![entry("default", 0)];
        append(&before, tenant, "default", first).await.unwrap();
    }
    before.stop().await;
    // As the superuser, past the triggers.
    let mut superuser = database.pool.acquire().await.unwrap();
    sqlx::raw_sql("set session_replication_role = replica")
        .execute(&mut *superuser)
        .await
        .unwrap();
    sqlx::query("update ledger.chains set hash = '\\x00' where tenant = $1")
        .bind(damaged.id)
        .execute(&mut *superuser)
        .await
        .unwrap();

    let ledger = ledger::Ledger::start(config).await.unwrap();
    let mut appends = JoinSet::new();
    for number in 1..20 {
        for tenant in [&damaged, &whole] {
            let (ledger, tenant) = (ledger.clone(), tenant.clone());
            appends.spawn(async move {
                let entries = vec![entry("default", number)];
                let appended = append(&ledger, &tenant, "default", entries).await;
                (tenant.code, appended)
            });
        }
    }
    while let Some(appended) = appends.join_next().await {
        match appended.unwrap() {
            (code, Ok(_)) => assert_eq!(code, whole.code),
            (code, Err(Error::Refused(_))) => assert_eq!(code, damaged.code),
            (code, Err(error)) => panic!("{code}: {error}"),
        }
    }
    ledger.stop().await;
    sqlx::query(
        "update ledger.chains c set hash = e.hash from ledger.entries e
          where c.tenant = $1 and e.tenant = $1",
    )
    .bind(damaged.id)
    .execute(&mut *superuser)
    .await
    .unwrap();
    let sizes = verify(&database.pool, &[&damaged, &whole]).await;
    assert_eq!(sizes.values().copied().collect::<Vec<_>>(), [1, 20]);
}
