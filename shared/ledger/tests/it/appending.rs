//! Appending: order, grouping, ids, replicas.

use ledger::append::Error;
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{Database, append, entry, entry_with_id, request, tenant};
use crate::independent::verify;

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
        (stored.seq, stored.hash, stored.previous),
        (2, all[2].hash, all[2].previous)
    );
    stored.check().unwrap();
    verify(&database.pool, &[(acme.id, "acme")]).await;
    ledger.stop().await;
    let late = append(&ledger, &acme, "default", vec![entry("default", 9)]).await;
    assert!(matches!(late, Err(Error::Unavailable(None))));
}
