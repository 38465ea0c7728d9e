//! What each role may do with the job table, and that nobody changes what was asked for.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use url::Url;
use uuid::Uuid;

const ROW: &str =
    "insert into export.jobs (tenant, id, tenant_code, created_by, request, stretches, total)
    values (gen_random_uuid(), gen_random_uuid(), 'acme', 'user:x', '{}', '[]', 0)";

/// A statement, and whether the role may run it.
const ASK: &[(&str, bool)] = &[
    (ROW, true),
    ("select * from export.jobs", true),
    (
        "update export.jobs set state = 'cancelled', leased_until = null, ended_at = now()",
        true,
    ),
    (
        "update export.jobs set unrecorded = null, due_at = now()",
        true,
    ),
    ("update export.jobs set attempt = 9", false),
    ("update export.jobs set request = '{}'", false),
    ("update export.jobs set sha256 = sha256('x')", false),
    ("update export.jobs set expires_at = 'infinity'", false),
    ("delete from export.jobs", false),
    ("select * from ledger.entries", false),
];
const WORK: &[(&str, bool)] = &[
    ("select * from export.jobs", true),
    ("update export.jobs set rows_done = 1", true),
    ("delete from export.jobs where false", true),
    (ROW, false),
    ("update export.jobs set request = '{}'", false),
    ("update export.jobs set stretches = '[]'", false),
    ("update export.jobs set unrecorded = null", false),
    ("update export.jobs set tenant = gen_random_uuid()", false),
    ("select * from ledger.entries", false),
];

#[tokio::test]
async fn roles_do_their_own_work_and_no_other() {
    let variable = std::env::vars().find(|(name, _)| name == "DATABASE_URL");
    let server = variable.expect("DATABASE_URL is set").1;
    let name = format!("export_rights_{}", Uuid::now_v7().simple());
    let mut admin = PgConnection::connect(&server).await.unwrap();
    let create = format!("create database {name}");
    admin.execute(AssertSqlSafe(create)).await.unwrap();
    let mut url: Url = server.parse().unwrap();
    url.set_path(&name);
    ledger::migrate(url.as_str()).await.unwrap();
    // Twice changes nothing.
    for _ in 0..2 {
        export::jobs::migrate(&url.as_str().into()).await.unwrap();
    }
    let mut database = PgConnection::connect(url.as_str()).await.unwrap();
    for (role, statements) in [
        ("veritrail_export_ask", ASK),
        ("veritrail_export_work", WORK),
    ] {
        database
            .execute(AssertSqlSafe(format!("set role {role}")))
            .await
            .unwrap();
        for (statement, may) in statements {
            let done = database.execute(AssertSqlSafe(*statement)).await;
            assert_eq!(done.is_ok(), *may, "{role}: {statement}: {done:?}");
        }
    }
    database.close().await.unwrap();
    let drop = format!("drop database {name} with (force)");
    admin.execute(AssertSqlSafe(drop)).await.unwrap();
}
