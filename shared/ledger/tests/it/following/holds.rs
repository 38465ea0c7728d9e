//! Cursors that are held and set back, and who may set them then.

use std::time::Duration;

use ledger::{Cursor, Tenant};
use sqlx::PgPool;

use super::{INDEX, at, chain, followed, grow};
use crate::database::{Database, tenant};

#[sqlx::test(migrations = false)]
async fn cursors_that_are_set_back_stay_there(pool: PgPool) {
    let database = Database::new(pool).await;
    let (ledger, followed) = (database.ledger().await, followed(&database));
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    for tenant in [&acme, &globex] {
        grow(&ledger, tenant, "default", 10).await;
        grow(&ledger, tenant, "late", 10).await;
        let cursor = at(&followed, &chain(tenant, "default"), 9).await;
        followed.advance(INDEX, &[cursor]).await.unwrap();
    }
    // Whoever looked before, and writes after it.
    let before = at(&followed, &chain(&acme, "default"), 10).await;
    let before_late = at(&followed, &chain(&acme, "late"), 10).await;
    let mut kept = before.0.clone();
    kept.next = 4;
    let hour = Duration::from_hours(1);
    let known = ledger.cursors(INDEX, acme.id).await.unwrap();
    assert_eq!(known.epoch, ledger.epoch(INDEX, acme.id).await.unwrap());
    let held = followed.hold(&[INDEX], acme.id, &[kept], hour).await;
    held.unwrap();
    // Whoever goes by what he knew sees that it does not hold.
    let epoch = ledger.epoch(INDEX, acme.id).await.unwrap();
    assert_ne!(epoch, known.epoch);
    let now = ledger.cursors(INDEX, acme.id).await.unwrap();
    assert_eq!((now.epoch, now.cursors[0].next), (epoch, 4));
    assert_eq!(ledger.epoch(INDEX, globex.id).await.unwrap(), 0);
    assert_eq!(ledger.epoch("another", acme.id).await.unwrap(), 0);
    followed
        .advance(INDEX, &[before, before_late])
        .await
        .unwrap();
    let due = followed.due(INDEX, &chain(&acme, "default")).await.unwrap();
    assert_eq!((due[0].cursor.next, due[0].held), (4, true));
    let due = followed.due(INDEX, &chain(&acme, "late")).await.unwrap();
    assert_eq!((due[0].cursor.next, due[0].held), (0, true));
    // Another tenant, and another follower, know nothing of it.
    let due = followed
        .due(INDEX, &chain(&globex, "default"))
        .await
        .unwrap();
    assert_eq!((due[0].cursor.next, due[0].held), (9, false));
    let due = followed
        .due("another", &chain(&acme, "default"))
        .await
        .unwrap();
    assert!(!due[0].held);

    let held = followed.hold(&[INDEX], acme.id, &[], Duration::ZERO).await;
    held.unwrap();
    let due = followed.due(INDEX, &chain(&acme, "default")).await.unwrap();
    assert_eq!((due[0].cursor.next, due[0].held), (0, false));
    let now = at(&followed, &chain(&acme, "default"), 10).await;
    followed.advance(INDEX, &[now]).await.unwrap();
    assert_eq!(
        followed.due(INDEX, &chain(&acme, "default")).await.unwrap(),
        []
    );
    ledger.stop().await;
}

#[sqlx::test(migrations = false)]
async fn whoever_holds_cursors_last_sets_them(pool: PgPool) {
    let database = Database::new(pool).await;
    let (ledger, followed) = (database.ledger().await, followed(&database));
    let acme = tenant("acme");
    for partition in ["default", "late"] {
        grow(&ledger, &acme, partition, 10).await;
    }
    let default = chain(&acme, "default");
    let moved = at(&followed, &default, 4).await;
    followed.advance(INDEX, &[moved]).await.unwrap();
    let state = async || {
        let due = followed.due(INDEX, &default).await.unwrap().remove(0);
        (due.cursor.next, due.held)
    };
    let to = |next| [at_chain(&acme, "default", next), at_chain(&acme, "late", 5)];
    let hour = Duration::from_hours(1);

    // A hold leaves what is behind, and what was never begun, where it is.
    let followers = [INDEX, "other"];
    let first = followed.hold(&followers, acme.id, &to(9), hour).await;
    let first = first.unwrap();
    assert_eq!(state().await, (4, true));
    let second = followed.hold(&followers, acme.id, &to(3), hour).await;
    let second = second.unwrap();
    assert_eq!(state().await, (3, true));
    let cursors = followed.cursors(INDEX, acme.id).await.unwrap();
    assert_eq!(cursors.len(), 1, "{cursors:?}");

    assert!(!followed.extend(&first, hour).await.unwrap());
    assert!(!followed.release(&first, &to(9), &[]).await.unwrap());
    assert_eq!(state().await, (3, true));
    assert!(followed.extend(&second, hour).await.unwrap());
    let under_the_hold = at(&followed, &default, 10).await;
    assert!(followed.release(&second, &to(9), &[]).await.unwrap());
    followed.advance(INDEX, &[under_the_hold]).await.unwrap();
    assert_eq!(state().await, (9, false));
    for follower in followers {
        assert_eq!(followed.cursors(follower, acme.id).await.unwrap(), to(9));
    }
    assert!(!followed.extend(&second, hour).await.unwrap());
    assert!(!followed.release(&second, &to(3), &[]).await.unwrap());
    ledger.stop().await;
}

fn at_chain(tenant: &Tenant, partition: &str, next: u64) -> Cursor {
    let mut cursor = Cursor::first(&chain(tenant, partition), 1);
    cursor.next = next;
    cursor
}

#[sqlx::test(migrations = false)]
async fn setting_back_and_moving_at_once_never_leaves_an_old_cursor(pool: PgPool) {
    let database = Database::new(pool).await;
    let (ledger, followed) = (database.ledger().await, followed(&database));
    let acme = tenant("acme");
    grow(&ledger, &acme, "default", 10).await;
    let chain = chain(&acme, "default");
    for round in 0..50 {
        // Read before it is set back: it may be moved before that, and never after it.
        let old = at(&followed, &chain, 9).await;
        let moves = (0..4).map(|_| {
            let (followed, old) = (followed.clone(), old.clone());
            tokio::spawn(async move { followed.advance(INDEX, &[old]).await })
        });
        let moves: Vec<_> = moves.collect();
        let held = followed.hold(&[INDEX], acme.id, &[], Duration::ZERO).await;
        held.unwrap();
        for moving in moves {
            moving.await.unwrap().unwrap();
        }
        let due = followed.due(INDEX, &chain).await.unwrap();
        assert_eq!(due[0].cursor.next, 0, "round {round}");
    }
    ledger.stop().await;
}
