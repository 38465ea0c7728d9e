//! What a queue promises about one message at a time. Each function runs against both implementations.

use std::time::Duration;

use queue::{Depth, Error};
use sqlx::PgPool;

use crate::rig::{LEASE, Rig, SECOND, WAIT};

/// Runs a function of the suite against a queue of either kind.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod on_postgres {
            use super::*;
            $(#[sqlx::test(migrations = false)]
            async fn $name(pool: PgPool) {
                super::$name(Rig::postgres(pool).await).await;
            })*
        }
        mod on_sqs {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                super::$name(Rig::sqs().await).await;
            })*
        }
    };
}
pub(crate) use both;

both!(
    what_is_sent_is_received_and_gone_when_done,
    a_lost_lease_brings_the_message_again,
    what_comes_after_a_lost_lease_changes_nothing,
    an_extended_lease_lasts,
    given_back_means_later_and_counts,
    a_waiting_receiver_is_woken,
    depth_counts_what_is_where,
);

async fn what_is_sent_is_received_and_gone_when_done(rig: Rig) {
    rig.none().await;
    rig.queue.ready().await.unwrap();
    rig.send(&[r#"{"n":1}"#]).await;
    let message = rig.one(LEASE).await;
    assert_eq!(message.body, r#"{"n":1}"#);
    assert_eq!(message.receives, 1);
    assert!(
        !format!("{message:?}").contains(r#""n""#),
        "bodies stay out of logs"
    );
    // Leased: nobody else gets it.
    rig.none().await;
    rig.queue
        .done(std::slice::from_ref(&message))
        .await
        .unwrap();
    // Once more is no error.
    rig.queue.done(&[message]).await.unwrap();
    rig.queue.done(&[]).await.unwrap();
    rig.queue.send(&[]).await.unwrap();
    rig.none().await;
    rig.depth(Depth::default()).await;
    rig.close().await;
}

async fn a_lost_lease_brings_the_message_again(rig: Rig) {
    rig.send(&["a"]).await;
    let first = rig.one(SECOND).await;
    let again = rig.one(LEASE).await;
    assert_eq!((&again.id, again.receives), (&first.id, 2));
    assert_eq!(again.body, "a");
    rig.queue.done(&[again]).await.unwrap();
    rig.none().await;
    rig.close().await;
}

async fn what_comes_after_a_lost_lease_changes_nothing(rig: Rig) {
    rig.send(&["a"]).await;
    let lost = rig.one(SECOND).await;
    let held = rig.one(LEASE).await;
    assert_eq!(held.receives, 2);
    let queue = &rig.queue;
    queue.done(std::slice::from_ref(&lost)).await.unwrap();
    let answers = [
        queue.extend(&lost, SECOND).await,
        queue.give_back(&lost, Duration::ZERO).await,
        queue.bury(&lost, "too late").await,
    ];
    for answer in answers {
        assert!(matches!(answer, Err(Error::LeaseLost)), "{answer:?}");
    }
    // The holder has it still, and nobody else.
    rig.none().await;
    assert!(rig.dead().await.is_empty());
    queue.give_back(&held, Duration::ZERO).await.unwrap();
    let again = queue.give_back(&held, Duration::ZERO).await;
    assert!(matches!(again, Err(Error::LeaseLost)), "{again:?}");
    let third = rig.one(LEASE).await;
    assert_eq!((third.id.as_str(), third.receives), (held.id.as_str(), 3));
    queue.done(&[lost, held, third]).await.unwrap();
    rig.none().await;
    rig.close().await;
}

async fn an_extended_lease_lasts(rig: Rig) {
    rig.send(&["a"]).await;
    let message = rig.one(SECOND).await;
    rig.queue.extend(&message, LEASE).await.unwrap();
    // Longer than the first lease.
    let others = rig.queue.receive(1, 2 * SECOND, LEASE).await.unwrap();
    assert!(others.is_empty(), "{others:?}");
    // Also to a shorter one.
    rig.queue.extend(&message, SECOND).await.unwrap();
    let again = rig.one(LEASE).await;
    assert_eq!(again.receives, 2);
    rig.queue.done(&[again]).await.unwrap();
    rig.close().await;
}

async fn given_back_means_later_and_counts(rig: Rig) {
    rig.send(&["a"]).await;
    let message = rig.one(LEASE).await;
    rig.queue.give_back(&message, 2 * SECOND).await.unwrap();
    rig.none().await;
    let again = rig.one(LEASE).await;
    assert_eq!((again.id, again.receives), (message.id, 2));
    rig.close().await;
}

async fn a_waiting_receiver_is_woken(rig: Rig) {
    let other = rig.another().await;
    let waiting = tokio::spawn(async move { other.receive(1, WAIT, LEASE).await.unwrap() });
    rig.send(&["a"]).await;
    let received = waiting.await.unwrap();
    assert_eq!(received.len(), 1);
    rig.close().await;
}

async fn depth_counts_what_is_where(rig: Rig) {
    rig.send(&["a", "b", "c", "d"]).await;
    let first = rig.one(LEASE).await;
    rig.queue.bury(&first, "cannot be read").await.unwrap();
    let _held = rig.one(LEASE).await;
    rig.depth(Depth {
        waiting: 2,
        leased: 1,
        dead: 1,
    })
    .await;
    rig.close().await;
}
