//! Requests that are given up at any of their steps, as when their client hangs up, leave no connection inside a transaction.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use auth_service::Config;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::installation::{Installation, Replica};

/// Polls the future so many times and drops it then; what came out of it, if it was done before.
async fn give_up_after<T>(steps: usize, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut step = 0;
    poll_fn(|context| {
        step += 1;
        match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if step >= steps => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Until no connection of the service does anything; none may stand inside a transaction.
async fn until_idle(pool: &PgPool) {
    let busy = "select coalesce(string_agg(distinct state, ' '), '') from pg_stat_activity
        where application_name = 'auth-service' and datname = current_database() and state <> 'idle'";
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    let mut last = String::new();
    let idle = async {
        // More than once in a row: what was given up may still be on its way to the server.
        let mut in_a_row = 0;
        while in_a_row < 5 {
            ticks.tick().await;
            last = sqlx::query_scalar(busy).fetch_one(pool).await.unwrap();
            in_a_row = if last.is_empty() { in_a_row + 1 } else { 0 };
        }
    };
    // Shorter than the server's patience with such transactions.
    let waited = tokio::time::timeout(Duration::from_secs(5), idle).await;
    assert!(waited.is_ok(), "a connection is {last}");
}

#[sqlx::test(migrations = false)]
async fn no_connection_goes_back_inside_a_transaction(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let replica = Replica::start(&Config {
        database_connections: 2,
        ..it.config.clone()
    })
    .await;
    let admin = it.admin().await;
    let mut given_up = 0;
    // The first steps many times over, since an answer that is there already makes no step: a request may have
    // few of them.
    for steps in (1..60).chain((1..8).cycle()).take(120) {
        let body = json!({"name": format!("Name {steps}")});
        let change = replica.send(Method::PATCH, "/api/v1/tenants/demo", &admin, Some(body));
        match give_up_after(steps, change).await {
            Some(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => break,
            Some(answer) => drop(answer.ok()),
            None => given_up += 1,
        }
        until_idle(&it.pool).await;
    }
    assert!(given_up > 20, "{given_up}");
    let tenant = it.get("/api/v1/tenants/demo", &admin).await.ok();
    assert_ne!(tenant["name"], Value::Null);
}
