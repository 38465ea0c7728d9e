//! A server that is away: every call says so within bounded time, and the next one works when it is back.

use std::time::{Duration, Instant};

use queue::Error;
use sqlx::PgPool;

use crate::contract::both;
use crate::rig::{LEASE, Rig, WAIT};

both!(
    a_server_that_is_down_is_unavailable_and_comes_back,
    a_queue_can_be_opened_while_its_server_is_down,
);

/// Longer than all calls that fail.
const LONG_LEASE: Duration = Duration::from_mins(5);
/// Far above what a call may take, far below for ever.
const BOUND: Duration = Duration::from_secs(20);

async fn a_server_that_is_down_is_unavailable_and_comes_back(mut rig: Rig) {
    rig.send(&["before"]).await;
    let held = rig.one(LONG_LEASE).await;
    rig.proxy.close().await;
    let begun = Instant::now();
    let queue = &rig.queue;
    let answers = [
        queue.send(&["while".to_owned()]).await,
        queue.receive(1, WAIT, LEASE).await.map(|_| ()),
        queue.extend(&held, LONG_LEASE).await,
        queue.done(std::slice::from_ref(&held)).await,
        queue.depth().await.map(|_| ()),
        queue.ready().await,
    ];
    let calls = u32::try_from(answers.len()).unwrap();
    assert!(begun.elapsed() < calls * BOUND, "{:?}", begun.elapsed());
    for answer in answers {
        assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    }
    rig.proxy.open().await;
    rig.queue.ready().await.unwrap();
    rig.queue.done(&[held]).await.unwrap();
    rig.none().await;
    rig.send(&["after"]).await;
    assert_eq!(rig.one(LEASE).await.body, "after");
    rig.close().await;
}

async fn a_queue_can_be_opened_while_its_server_is_down(mut rig: Rig) {
    rig.proxy.close().await;
    let begun = Instant::now();
    let queue = rig.another().await;
    let ready = queue.ready().await;
    assert!(matches!(ready, Err(Error::Unavailable(_))), "{ready:?}");
    assert!(begun.elapsed() < 2 * BOUND, "{:?}", begun.elapsed());
    rig.proxy.open().await;
    queue.ready().await.unwrap();
    queue.send(&["a".to_owned()]).await.unwrap();
    assert_eq!(rig.one(LEASE).await.body, "a");
    rig.close().await;
}
