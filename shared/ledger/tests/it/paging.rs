//! A page costs what it gives out, however long its chain is: read off the plans that the server runs.

use ledger::Tenant;
use serde_json::Value;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row as _};
use time::OffsetDateTime;

use crate::database::{Database, append, entry, tenant};

const ROWS: i64 = 3_000;
const FIRST: i64 = 100;
const PAGE: i64 = 10;
const BYTES: i64 = 1 << 20;

type Statement<'a> = Query<'a, Postgres, PgArguments>;
type Bind = fn(Statement<'_>) -> Statement<'_>;

/// Rows that a plan took from tables, those that it threw away included.
fn read(plan: &Value) -> f64 {
    let number = |name: &str| plan[name].as_f64().unwrap_or(0.0);
    let own = if plan["Relation Name"].is_string() {
        let removed = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
        (number("Actual Rows") + removed) * number("Actual Loops")
    } else {
        0.0
    };
    let inner = plan["Plans"].as_array().into_iter().flatten();
    own + inner.map(read).sum::<f64>()
}

/// The reader's statement as the reader runs it.
async fn rows_read(pool: &PgPool, tenant: &Tenant, sql: &str, bind: Bind) -> f64 {
    let become_reader = format!(
        "set local role veritrail_read; set local ledger.tenant = '{}'",
        tenant.id
    );
    rows_read_as(pool, become_reader, sql, |statement| {
        bind(statement.bind(tenant.id))
    })
    .await
}

async fn rows_read_as(
    pool: &PgPool,
    become_reader: String,
    sql: &str,
    bind: impl FnOnce(Statement<'static>) -> Statement<'static>,
) -> f64 {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(become_reader))
        .execute(&mut *transaction)
        .await
        .unwrap();
    let explain = AssertSqlSafe(format!("explain (analyze, format json) {sql}"));
    let plan = bind(sqlx::query(explain))
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    let plan: Value = plan.get(0);
    read(&plan[0]["Plan"])
}

fn range(statement: Statement<'_>) -> Statement<'_> {
    let statement = statement.bind("default").bind(None::<i32>);
    statement.bind(FIRST).bind(ROWS).bind(PAGE).bind(BYTES)
}

fn scan(statement: Statement<'_>) -> Statement<'_> {
    let statement = statement.bind(vec!["default"]).bind(vec![1]);
    let statement = statement.bind(vec![FIRST]).bind(vec![ROWS]);
    let statement = statement
        .bind(None::<OffsetDateTime>)
        .bind(None::<OffsetDateTime>);
    statement.bind(PAGE).bind(BYTES)
}

fn audit(statement: Statement<'_>) -> Statement<'_> {
    let statement = statement.bind("default").bind(1).bind(FIRST);
    let statement = statement.bind(OffsetDateTime::UNIX_EPOCH);
    statement.bind(PAGE).bind(BYTES)
}

#[sqlx::test(migrations = false)]
async fn a_page_reads_little_more_than_it_shows(pool: PgPool) {
    let database = Database::new(pool).await;
    let acme = tenant("acme");
    let ledger = database.ledger().await;
    for _ in 0..ROWS / 1_000 {
        let entries = (0..1_000).map(|number| entry("default", number)).collect();
        append(&ledger, &acme, "default", entries).await.unwrap();
    }
    sqlx::raw_sql("analyze ledger.entries")
        .execute(&database.pool)
        .await
        .unwrap();
    let statements: [(&str, &str, Bind); 5] = [
        (
            "range, ascending",
            include_str!("../../src/read/range_ascending.sql"),
            range,
        ),
        (
            "range, descending",
            include_str!("../../src/read/range_descending.sql"),
            range,
        ),
        (
            "scan, ascending",
            include_str!("../../src/read/scan_ascending.sql"),
            scan,
        ),
        (
            "scan, descending",
            include_str!("../../src/read/scan_descending.sql"),
            scan,
        ),
        ("audit", include_str!("../../src/read/audit.sql"), audit),
    ];
    for (name, sql, bind) in statements {
        let read = rows_read(&database.pool, &acme, sql, bind).await;
        assert!(read <= 100.0, "{name}: a page of {PAGE} reads {read} rows");
    }
    ledger.stop().await;
}

/// As followers' connections are.
const FOLLOWER: &str = "set local role veritrail_follow; set local enable_seqscan = off";

#[sqlx::test(migrations = false)]
async fn a_follower_reads_little_more_than_it_does(pool: PgPool) {
    let database = Database::new(pool).await;
    let acme = tenant("acme");
    let ledger = database.ledger().await;
    for _ in 0..ROWS / 1_000 {
        let entries = (0..1_000).map(|number| entry("default", number)).collect();
        append(&ledger, &acme, "default", entries).await.unwrap();
    }
    for other in 0..200 {
        let other = tenant(&format!("t{other}"));
        append(&ledger, &other, "default", vec![entry("default", 0)])
            .await
            .unwrap();
    }
    sqlx::raw_sql("analyze ledger.entries; analyze ledger.chains")
        .execute(&database.pool)
        .await
        .unwrap();
    let id = acme.id;
    let page = |statement: Statement<'static>| {
        let statement = statement.bind(id).bind("default").bind(1);
        let statement = statement.bind(FIRST).bind(ROWS);
        let statement = statement.bind(OffsetDateTime::UNIX_EPOCH);
        statement.bind(PAGE).bind(BYTES)
    };
    let due = |statement: Statement<'static>| statement.bind("x").bind(id).bind("default");
    let behind = |statement: Statement<'static>| {
        let statement = statement.bind("x").bind(uuid::Uuid::nil());
        statement.bind("").bind(PAGE)
    };
    let entries = include_str!("../../src/follow/entries.sql");
    let read = rows_read_as(&database.pool, FOLLOWER.to_owned(), entries, page).await;
    assert!(read <= 20.0, "entries: a page of {PAGE} reads {read} rows");
    let one = include_str!("../../src/follow/due.sql");
    let read = rows_read_as(&database.pool, FOLLOWER.to_owned(), one, due).await;
    assert!(read <= 10.0, "due: one chain reads {read} rows");
    let many = include_str!("../../src/follow/behind.sql");
    let read = rows_read_as(&database.pool, FOLLOWER.to_owned(), many, behind).await;
    assert!(read <= 60.0, "behind: {PAGE} chains read {read} rows");
    ledger.stop().await;
}
