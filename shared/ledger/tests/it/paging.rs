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
    let mut transaction = pool.begin().await.unwrap();
    let become_reader = format!(
        "set local role veritrail_read; set local ledger.tenant = '{}'",
        tenant.id
    );
    sqlx::raw_sql(AssertSqlSafe(become_reader))
        .execute(&mut *transaction)
        .await
        .unwrap();
    let explain = AssertSqlSafe(format!("explain (analyze, format json) {sql}"));
    let plan = bind(sqlx::query(explain).bind(tenant.id))
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
