//! The outbox: every act becomes an entry, in order, once, whatever fails in between and whoever delivers.

use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::installation::{Installation, Replica};
use crate::receiver::Fault;

/// Invites people by that name and number; the names in the order of the acts.
async fn invite(it: &Installation, admin: &str, numbers: std::ops::Range<usize>) -> Vec<Value> {
    let mut names = Vec::new();
    for number in numbers {
        let name = format!("user-{number}");
        let body = json!({"username": name, "roles": ["viewer"]});
        it.post("/api/v1/users/invites", admin, body).await.ok();
        names.push(json!(name));
    }
    names
}

fn invited(it: &Installation, code: &str) -> Vec<Value> {
    let mut entries = it.receiver.entries(code);
    entries.retain(|entry| entry["action"] == "user.invited");
    entries
        .iter()
        .map(|entry| entry["targets"][0]["name"].clone())
        .collect()
}

/// Pauses after failures are over.
async fn due(it: &Installation) {
    it.execute(
        "update auth.outbox_leases set retry_at = now(), until = now() - interval '1 second'",
    )
    .await;
}

async fn owed(it: &Installation) -> i64 {
    it.count("select count(*) from auth.outbox where parked_at is null")
        .await
}

#[sqlx::test(migrations = false)]
async fn faults_neither_lose_nor_repeat_nor_reorder(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let names = invite(&it, &admin, 0..6).await;
    let faults = [
        Fault::Before,
        Fault::After,
        Fault::After,
        Fault::Before,
        Fault::Before,
        Fault::After,
    ];
    it.receiver.fail(&faults);
    for _ in faults {
        let round = it.replica.state.deliver_outbox().await.unwrap();
        assert_eq!(round.waiting, 1);
        due(&it).await;
    }
    it.replica.state.deliver_outbox().await.unwrap();
    assert_eq!(invited(&it, "demo"), names);
    assert_eq!(owed(&it).await, 0);
    assert_eq!(
        it.receiver.posts(),
        it.receiver.entries("demo").len() + faults.len()
    );
}

#[sqlx::test(migrations = false)]
async fn after_a_failure_there_is_a_pause(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    it.receiver.set_down(true);
    assert_eq!(it.replica.state.deliver_outbox().await.unwrap().waiting, 1);
    let posts = it.receiver.posts();
    it.execute("update auth.outbox_leases set retry_at = now() + interval '1 minute'")
        .await;
    assert_eq!(it.replica.state.deliver_outbox().await.unwrap().waiting, 0);
    assert_eq!(it.receiver.posts(), posts);
    assert_eq!(
        it.count("select failures::bigint from auth.outbox_leases")
            .await,
        1
    );
}

#[sqlx::test(migrations = false)]
async fn a_restart_goes_on_where_it_ended(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    it.receiver.set_down(true);
    let mut names = invite(&it, &admin, 0..3).await;
    it.replica.state.deliver_outbox().await.unwrap();
    it.receiver.set_down(false);
    it.receiver.fail(&[Fault::After]);
    due(&it).await;
    it.replica.state.deliver_outbox().await.unwrap();
    // A new process, with the old one's lease still on the tenant.
    let restarted = Replica::start(&it.config).await;
    names.extend(invite(&it, &admin, 3..5).await);
    due(&it).await;
    restarted.state.deliver_outbox().await.unwrap();
    assert_eq!(invited(&it, "demo"), names);
    assert_eq!(owed(&it).await, 0);
}

#[sqlx::test(migrations = false)]
async fn many_writers_and_two_deliverers_keep_the_order(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    let (demo, acme) = (it.admin().await, it.tenant("acme").await);
    let second = Replica::start(&it.config).await;
    let writing = async {
        tokio::join!(
            invite(&it, &demo, 0..15),
            invite(&it, &demo, 100..115),
            invite(&it, &acme, 0..15)
        )
    };
    let delivering = |replica: &Replica| {
        let state = replica.state.clone();
        async move {
            for _ in 0..20 {
                state.deliver_outbox().await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    };
    let ((low, high, other), (), ()) =
        tokio::join!(writing, delivering(&it.replica), delivering(&second));
    due(&it).await;
    it.replica.state.deliver_outbox().await.unwrap();
    let taken = invited(&it, "demo");
    let of = |names: &[Value]| -> Vec<Value> {
        taken
            .iter()
            .filter(|name| names.contains(name))
            .cloned()
            .collect()
    };
    assert_eq!((of(&low), of(&high)), (low, high));
    assert_eq!(taken.len(), 30);
    let acme: Vec<Value> = invited(&it, "acme")
        .into_iter()
        .filter(|name| other.contains(name))
        .collect();
    assert_eq!(acme, other);
    let gaps = "select count(*) from auth.outbox_heads h where size <> $$0$$::bigint and size < 0";
    assert_eq!(it.count(gaps).await, 0);
}

#[sqlx::test(migrations = false)]
async fn a_refused_entry_is_kept_and_the_rest_goes_on(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    it.replica.state.deliver_outbox().await.unwrap();
    let names = invite(&it, &admin, 0..3).await;
    it.receiver.fail(&[Fault::Refuse]);
    let round = it.replica.state.deliver_outbox().await.unwrap();
    assert_eq!((round.parked, round.delivered), (1, 2));
    assert_eq!(invited(&it, "demo"), names[1..]);
    let kept: (String, String) = sqlx::query_as("select parked_reason, entry from auth.outbox")
        .fetch_one(&it.pool)
        .await
        .unwrap();
    assert_eq!(kept.0, "422 invalid");
    assert!(kept.1.contains("user-0"));
    // Whoever repairs the cause hands it back.
    it.execute("update auth.outbox set parked_at = null, parked_reason = null")
        .await;
    it.replica.state.deliver_outbox().await.unwrap();
    assert_eq!(owed(&it).await, 0);
    assert_eq!(invited(&it, "demo").len(), 3);
}

#[sqlx::test(migrations = false)]
async fn an_act_that_failed_leaves_no_entry(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    invite(&it, &admin, 0..1).await;
    let before = owed(&it).await;
    let again = json!({"username": "USER-0", "roles": ["viewer"]});
    it.post("/api/v1/users/invites", &admin, again)
        .await
        .is(409, "username_taken");
    assert_eq!(owed(&it).await, before);
}
