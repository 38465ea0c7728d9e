//! Who has to log in for a ledger to work: nobody with rights of his own.

use ledger::Ledger;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};

use crate::database::{Database, append, entry, tenant};

#[sqlx::test(migrations = false)]
async fn a_login_without_rights_of_its_own_is_enough(pool: PgPool) {
    let database = Database::new(pool).await;
    let mut url: url::Url = database.url.parse().unwrap();
    let login = login(&database.pool, &mut url).await;
    let statement = format!("grant veritrail_append, veritrail_read to {login}");
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&database.pool)
        .await
        .unwrap();
    let mut session = PgConnection::connect(url.as_str()).await.unwrap();
    let is_superuser: String = sqlx::query_scalar("show is_superuser")
        .fetch_one(&mut session)
        .await
        .unwrap();
    assert_eq!(is_superuser, "off");
    session.close().await.unwrap();
    let mut config = database.config();
    config.url = url.as_str().into();
    let ledger = Ledger::start(config).await.unwrap();
    let acme = tenant("acme");
    append(&ledger, &acme, "default", vec![entry("default", 0)])
        .await
        .unwrap();
    assert_eq!(ledger.partitions(&acme).await.unwrap()[0].size, 1);
    ledger.stop().await;
}

/// Puts somebody into `url` who may log in: a cluster of our own lets in one role that is no
/// superuser, other servers whom a test makes.
async fn login(superuser: &PgPool, url: &mut url::Url) -> String {
    const OURS: &str = "veritrail";
    let is_ours: bool =
        sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
            .bind(OURS)
            .fetch_one(superuser)
            .await
            .unwrap();
    // Not before the host: a URL that names a socket has none.
    if is_ours {
        url.query_pairs_mut().append_pair("user", OURS);
        return OURS.to_owned();
    }
    let login = format!("login_{}", uuid::Uuid::now_v7().simple());
    let password = uuid::Uuid::new_v4().simple().to_string();
    let statement = format!("create role {login} login password '{password}'");
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(superuser)
        .await
        .unwrap();
    url.query_pairs_mut()
        .append_pair("user", &login)
        .append_pair("password", &password);
    login
}
