//! Signing in: the same for everybody who may not, slower for whoever keeps trying, and never shut for the owner.

use std::time::Instant;

use auth_service::Config;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use time::{Duration, OffsetDateTime};

use crate::installation::{
    Answer, HOME, Installation, PASSWORD, Replica, STRANGER, claims, json_request, part,
};

#[sqlx::test(migrations = false)]
async fn a_token_says_who_and_where(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let token = it.admin().await;
    let header = part(&token, 0);
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&json!("at+jwt"), &json!("EdDSA"))
    );
    let claims = claims(&token);
    assert_eq!(claims["iss"], "http://auth.test");
    assert_eq!(claims["aud"], json!(["veritrail-auth", "veritrail-logs"]));
    assert_eq!(
        (&claims["kind"], &claims["tenant"]),
        (&json!("user"), &json!("demo"))
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        900
    );
    let operator = crate::installation::claims(&it.operator().await);
    assert!(operator.get("tenant").is_none() && operator.get("tenant_id").is_none());
}

#[sqlx::test(migrations = false)]
async fn every_refusal_costs_one_hash_and_one_row(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    it.post(
        "/api/v1/users/invites",
        &admin,
        json!({"username": "invited", "roles": ["viewer"]}),
    )
    .await
    .ok();
    let gone = it.user(&admin, "gone", &["viewer"]).await;
    it.post(
        &format!("/api/v1/users/{gone}/deactivate"),
        &admin,
        Value::Null,
    )
    .await
    .ok();
    let mut answers = Vec::new();
    for (tenant, name, password) in [
        (json!("demo"), "admin", "wrong password!"),
        (json!("demo"), "nobody", PASSWORD),
        (json!("demo"), "nobody@example.com", PASSWORD),
        (json!("nobody"), "admin", PASSWORD),
        (json!("not a code"), "admin", PASSWORD),
        (json!("demo"), "", ""),
        (json!("demo"), "invited", PASSWORD),
        (json!("demo"), "gone", PASSWORD),
        (json!("demo"), "operator", PASSWORD),
        (Value::Null, "operator", "wrong password!"),
        (Value::Null, "admin", PASSWORD),
    ] {
        let hashed = it.replica.state.passwords_hashed();
        let counted = it
            .count("select coalesce(sum(count), 0)::bigint from auth.login_failures")
            .await;
        let body = json!({"tenant_code": tenant, "username": name, "password": password});
        let mut answer = it.post("/api/v1/auth/token", "", body).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
        assert_eq!(
            it.replica.state.passwords_hashed(),
            hashed + 1,
            "{tenant} {name}"
        );
        let now = it
            .count("select coalesce(sum(count), 0)::bigint from auth.login_failures")
            .await;
        assert_eq!(now, counted + 1, "{tenant} {name}");
        answer.body["request_id"] = Value::Null;
        answers.push(answer.body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[sqlx::test(migrations = false)]
async fn whoever_keeps_failing_waits(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    it.admin().await;
    for name in ["admin", "nobody"] {
        for _ in 0..10 {
            it.login("demo", name, "wrong password!", STRANGER)
                .await
                .is(401, "invalid_credentials");
        }
        let hashed = it.replica.state.passwords_hashed();
        let delayed = it.login("demo", name, "wrong password!", STRANGER).await;
        assert_eq!(delayed.status, StatusCode::TOO_MANY_REQUESTS);
        let wait: u64 = delayed.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=30).contains(&wait), "{wait}");
        assert_eq!(it.replica.state.passwords_hashed(), hashed);
    }
    // From elsewhere the account is delayed too, except where its owner has signed in before.
    let elsewhere = it
        .login(
            "demo",
            "admin",
            &it.credentials.admin.password,
            "198.51.100.3:1",
        )
        .await;
    assert_eq!(elsewhere.status, StatusCode::TOO_MANY_REQUESTS);
    it.login("demo", "admin", &it.credentials.admin.password, HOME)
        .await
        .ok();
    // Time heals.
    it.execute("update auth.login_delays set until = until - interval '31 seconds'")
        .await;
    it.login("demo", "admin", &it.credentials.admin.password, STRANGER)
        .await
        .ok();
}

#[sqlx::test(migrations = false)]
async fn a_network_waits_whatever_names_it_tries(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    // Fifty at once, then one a second, however long it takes.
    let began = Instant::now();
    let mut tries = 0;
    loop {
        let name = format!("name{tries}");
        let answer = it.login("demo", &name, "wrong password!", STRANGER).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        answer.is(401, "invalid_credentials");
        tries += 1;
        assert!(tries <= 50 + began.elapsed().as_secs(), "{tries} tries");
    }
    assert!(tries >= 50, "{tries} tries");
    it.login("demo", "another", "wrong password!", HOME)
        .await
        .is(401, "invalid_credentials");
}

#[sqlx::test(migrations = false)]
async fn simultaneous_attempts_and_replicas_share_one_limit(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    let second = Replica::start(&it.config).await;
    let mut attempts = tokio::task::JoinSet::new();
    for n in 0..30 {
        let replica = if n % 2 == 0 {
            it.replica.clone()
        } else {
            second.clone()
        };
        attempts.spawn(async move {
            let body =
                json!({"tenant_code": "demo", "username": "admin", "password": "wrong password!"});
            let request = json_request(Method::POST, "/api/v1/auth/token", "", Some(body));
            replica.call(request, STRANGER).await.status
        });
    }
    let statuses = attempts.join_all().await;
    let tried = statuses
        .iter()
        .filter(|status| **status == StatusCode::UNAUTHORIZED)
        .count();
    let delayed = statuses
        .iter()
        .filter(|status| **status == StatusCode::TOO_MANY_REQUESTS)
        .count();
    assert_eq!((tried, delayed), (10, 20));
}

#[sqlx::test(migrations = false)]
async fn successes_are_never_delayed(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    for _ in 0..60 {
        it.admin().await;
    }
}

#[sqlx::test(migrations = false)]
async fn failures_are_one_entry_a_minute_and_strangers_none(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    // Within one minute of the database's clock, whatever the time.
    it.execute(
        "create function auth.one_minute() returns trigger language plpgsql as
        $$ begin new.minute = '2026-01-01T00:00:00Z'; return new; end $$",
    )
    .await;
    it.execute(
        "create trigger one_minute before insert on auth.login_failures
        for each row execute function auth.one_minute()",
    )
    .await;
    for _ in 0..3 {
        it.login("demo", "admin", "wrong password!", HOME)
            .await
            .is(401, "invalid_credentials");
    }
    it.login("demo", "admin", "wrong password!", STRANGER)
        .await
        .is(401, "invalid_credentials");
    it.login("demo", "planted-stranger", "wrong password!", HOME)
        .await
        .is(401, "invalid_credentials");
    let reported = it
        .replica
        .state
        .report_failures(OffsetDateTime::now_utc())
        .await
        .unwrap();
    assert_eq!(reported, 2);
    assert_eq!(
        it.replica
            .state
            .report_failures(OffsetDateTime::now_utc())
            .await
            .unwrap(),
        0
    );
    it.replica.state.deliver_outbox().await.unwrap();
    let mut entries = it.receiver.entries("demo");
    entries.retain(|entry| entry["action"] == "auth.login.failed");
    let mut counts: Vec<(Value, Value)> = entries
        .iter()
        .map(|entry| {
            (
                entry["context"]["ip"].clone(),
                entry["metadata"]["count"].clone(),
            )
        })
        .collect();
    counts.sort_by_key(|(ip, _)| ip.to_string());
    assert_eq!(
        counts,
        [
            (json!("192.0.2.7"), json!(3)),
            (json!("203.0.113.9"), json!(1))
        ]
    );
    assert_eq!(
        entries[0]["outcome"],
        json!({"status": "failure", "code": "invalid_credentials"})
    );
    let everything = format!("{:?}", it.receiver.entries("demo"));
    assert!(!everything.contains("planted-stranger"));
}

#[sqlx::test(migrations = false)]
async fn a_minute_that_runs_is_not_told_yet(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    it.login("demo", "admin", "wrong password!", HOME)
        .await
        .is(401, "invalid_credentials");
    let now = OffsetDateTime::now_utc();
    assert_eq!(
        it.replica
            .state
            .report_failures(now - Duration::minutes(1))
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        it.replica
            .state
            .report_failures(now + Duration::minutes(2))
            .await
            .unwrap(),
        1
    );
}

#[sqlx::test(migrations = false)]
async fn a_success_is_told_with_its_circumstances(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    it.replica.state.deliver_outbox().await.unwrap();
    let entry = it.receiver.last("demo", "auth.login.succeeded");
    assert_eq!(entry["actor"]["id"], claims(&admin)["sub"]);
    assert_eq!(entry["actor"]["name"], "admin");
    assert_eq!(entry["context"]["ip"], "192.0.2.7");
}

#[sqlx::test(migrations = false)]
async fn two_names_do_not_tell_that_they_are_one_account(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    let body = json!({"username": "ann", "email": "ann@example.com", "roles": ["viewer"], "password": PASSWORD});
    it.post("/api/v1/users", &admin, body).await.ok();
    for name in [
        "ann", "Ann", "ANN", "ann", "ann", "ann", "ann", "ann", "ann", "aNN",
    ] {
        it.login("demo", name, "wrong password!", STRANGER)
            .await
            .is(401, "invalid_credentials");
    }
    it.login("demo", "Ann", "wrong password!", STRANGER)
        .await
        .is(429, "too_many_requests");
    // As free as any other name that was never tried.
    for name in ["ann@example.com", "bob@example.com"] {
        it.login("demo", name, "wrong password!", STRANGER)
            .await
            .is(401, "invalid_credentials");
    }
    // The trail tells of one account all the same.
    let accounts =
        "select count(distinct account) from auth.login_failures where user_id is not null";
    assert_eq!(it.count(accounts).await, 1);
}

#[sqlx::test(migrations = false)]
async fn one_good_account_leaves_the_queue_to_others(_: PgPoolOptions, options: PgConnectOptions) {
    let it = Installation::start(options).await;
    let admin = it.admin().await;
    for name in ["greedy", "other"] {
        it.user(&admin, name, &["viewer"]).await;
    }
    let replica = Replica::start(&Config {
        password_threads: Some(1),
        password_queue: 6,
        password_memory_kib: 32_768,
        ..it.config.clone()
    })
    .await;
    let login = |name: &'static str, from: &'static str| {
        let replica = replica.clone();
        async move {
            let body = json!({"tenant_code": "demo", "username": name, "password": PASSWORD});
            let request = json_request(Method::POST, "/api/v1/auth/token", "", Some(body));
            replica.call(request, from).await
        }
    };
    // Both networks are known to be the account's from here on.
    for from in [HOME, STRANGER] {
        assert_eq!(login("greedy", from).await.status, StatusCode::OK);
    }
    let mut flood = tokio::task::JoinSet::new();
    for n in 0..24 {
        flood.spawn(login("greedy", if n % 2 == 0 { HOME } else { STRANGER }));
        if n == 12 {
            flood.spawn(login("other", HOME));
        }
    }
    let answers = flood.join_all().await;
    for answer in &answers {
        if answer.status != StatusCode::OK {
            answer.is(429, "too_many_requests");
            assert_eq!(answer.headers["retry-after"], "1");
        }
    }
    let name = |answer: &Answer| {
        let token = answer.body["access_token"].as_str();
        token.map(|token| claims(token)["sub"].clone())
    };
    let signed_in: std::collections::BTreeSet<_> = answers
        .iter()
        .filter_map(name)
        .map(|sub| sub.to_string())
        .collect();
    assert_eq!(signed_in.len(), 2, "the other one is in too");
}
