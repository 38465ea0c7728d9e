//! What only PostgreSQL can be: a schema with rights, rows that go, connections that are shared.

use std::time::Duration;

use queue::{Depth, Error};
use sqlx::PgPool;

use crate::rig::{LEASE, Rig, SECOND, database_url, queue_url};

#[sqlx::test(migrations = false)]
async fn without_its_schema_a_queue_says_so(pool: PgPool) {
    let url = database_url(&pool);
    let named = queue_url(&pool, "a").into();
    let opened = queue::open(&named).await;
    assert!(matches!(opened, Err(Error::NotMigrated)));
    // Twice at once, and once more, changes nothing.
    let (one, two) = tokio::join!(queue::migrate(&named), queue::migrate(&named));
    one.unwrap();
    two.unwrap();
    queue::migrate(&url.into()).await.unwrap();
    queue::open(&named).await.unwrap().ready().await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn the_role_can_do_no_more_than_it_must(pool: PgPool) {
    let rig = Rig::postgres(pool.clone()).await;
    let mut connection = pool.acquire().await.unwrap();
    sqlx::raw_sql("set role veritrail_queue")
        .execute(&mut *connection)
        .await
        .unwrap();
    for refused in [
        "delete from queue.dead_letters",
        "update queue.dead_letters set reason = ''",
        "select queue.requeue('test')",
        "update queue.messages set body = ''",
        "insert into queue.messages (queue, body, receives) values ('test', 'a', 0)",
        "truncate queue.messages",
        "drop table queue.messages",
        "create table queue.more ()",
    ] {
        let error = sqlx::raw_sql(refused)
            .execute(&mut *connection)
            .await
            .unwrap_err();
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .unwrap();
        assert_eq!(code, "42501", "{refused}");
    }
    rig.close().await;
}

#[sqlx::test(migrations = false)]
async fn dead_letters_can_be_put_back(pool: PgPool) {
    let rig = Rig::postgres(pool.clone()).await;
    rig.send(&["a", "b"]).await;
    for _ in 0..2 {
        let message = rig.one(LEASE).await;
        rig.queue.bury(&message, "not now").await.unwrap();
    }
    let requeue = "select queue.requeue('test', 1)";
    let back: i64 = sqlx::query_scalar(requeue).fetch_one(&pool).await.unwrap();
    assert_eq!(back, 1);
    rig.depth(Depth {
        waiting: 1,
        leased: 0,
        dead: 1,
    })
    .await;
    let message = rig.one(LEASE).await;
    assert_eq!((message.body.as_str(), message.receives), ("a", 1));
    rig.close().await;
}

#[sqlx::test(migrations = false)]
async fn queues_of_one_database_do_not_mix(pool: PgPool) {
    let rig = Rig::postgres(pool.clone()).await;
    let other = queue_url(&pool, "other").into();
    let other = queue::open(&other).await.unwrap();
    rig.send(&["a"]).await;
    assert!(
        other
            .receive(1, Duration::ZERO, LEASE)
            .await
            .unwrap()
            .is_empty()
    );
    let message = rig.one(LEASE).await;
    other.done(std::slice::from_ref(&message)).await.unwrap();
    let extended = other.extend(&message, LEASE).await;
    assert!(matches!(extended, Err(Error::LeaseLost)));
    rig.queue.extend(&message, LEASE).await.unwrap();
    rig.close().await;
}

#[sqlx::test(migrations = false)]
async fn waiting_receivers_hold_no_connection(pool: PgPool) {
    let rig = Rig::postgres(pool.clone()).await;
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let queue = std::sync::Arc::clone(&rig.queue);
        waiting.spawn(async move { queue.receive(1, 5 * SECOND, LEASE).await.unwrap().len() });
    }
    let bodies: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    rig.queue.send(&bodies).await.unwrap();
    let received: usize = waiting.join_all().await.into_iter().sum();
    assert_eq!(received, 50);
    // Four for statements, one to listen.
    assert!(rig.proxy.connections() <= 5, "{}", rig.proxy.connections());
    rig.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_queue_that_nobody_receives_from_does_not_grow_for_ever(pool: PgPool) {
    let rig = Rig::postgres(pool.clone()).await;
    let fill = "insert into queue.messages (queue, body) select 'test', 'x' from generate_series(1, 100000)";
    sqlx::query(fill).execute(&pool).await.unwrap();
    let more = ["y".to_owned()];
    let sent = rig.queue.send(&more).await;
    assert!(matches!(sent, Err(Error::Unavailable(_))), "{sent:?}");
    // Receivers are not concerned.
    let message = rig.one(LEASE).await;
    rig.queue.done(&[message]).await.unwrap();
    // Another process finds room at once, this one when it looks again.
    rig.another().await.send(&more).await.unwrap();
    rig.close().await;
}
