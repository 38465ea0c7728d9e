//! What the database itself refuses, by grants, triggers and views, and which servers the ledger
//! refuses.

use ledger::{Error, Ledger};
use sqlx::{AssertSqlSafe, PgPool};

use crate::database::{Database, append, entry, tenant};

/// Runs statements in one transaction as a role; gives the error's SQLSTATE and text.
async fn refused(pool: &PgPool, role: &str, statements: &str) -> (String, String) {
    let statements = format!("begin; set local role {role}; {statements}; commit");
    let mut connection = pool.acquire().await.unwrap();
    let outcome = sqlx::raw_sql(AssertSqlSafe(statements))
        .execute(&mut *connection)
        .await;
    sqlx::raw_sql("rollback")
        .execute(&mut *connection)
        .await
        .unwrap();
    match outcome {
        Ok(_) => (String::new(), "accepted".to_owned()),
        Err(sqlx::Error::Database(error)) => (
            error.code().unwrap_or_default().into_owned(),
            error.message().to_owned(),
        ),
        Err(error) => panic!("{error}"),
    }
}

const DENIED: &str = "42501";

#[sqlx::test(migrations = false)]
async fn entries_can_be_changed_by_nobody(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    append(
        &ledger,
        &tenant("acme"),
        "default",
        vec![entry("default", 0)],
    )
    .await
    .unwrap();
    let changes = [
        "update ledger.entries set event = event",
        "update ledger.entries set parts = null",
        "delete from ledger.entries",
        "truncate ledger.entries",
        "update ledger.entry_ids set seq = seq",
        "delete from ledger.entry_ids",
        "truncate ledger.entry_ids",
        "update ledger.chains set size = size - 1",
        "update ledger.chains set size = size",
        "update ledger.chains set size = size + 1, hash = hash || hash",
        "update ledger.chains set size = size + 1, hash = null",
        "update ledger.chains set generation = generation + 1, size = -1",
        "update ledger.chains set size = size + 1, received_at = 'infinity'",
        "insert into ledger.chains (tenant, partition, generation, hash) values (gen_random_uuid(), 'x', 1, '')",
        "insert into ledger.chains (tenant, partition, generation, hash) values (gen_random_uuid(), 'x', 1, null)",
        "insert into ledger.chains (tenant, partition, generation, hash) values (gen_random_uuid(), 'x', 0, sha256('x'))",
        "delete from ledger.chains",
        "truncate ledger.chains",
    ];
    for role in [
        "veritrail_append",
        "veritrail_read",
        "veritrail_follow",
        "veritrail_owner",
        "postgres",
    ] {
        for change in changes {
            let (code, message) = refused(&database.pool, role, change).await;
            assert_eq!(code, DENIED, "{role}: {change}: {message}");
            // Who holds the grant is stopped by the trigger.
            let granted = match role {
                "veritrail_append" => change.contains("set size") || change.contains("insert"),
                role => role != "veritrail_read" && role != "veritrail_follow",
            };
            assert_eq!(
                message.ends_with("is refused"),
                granted,
                "{role}: {change}: {message}"
            );
        }
    }
    let insert = "insert into ledger.chains (tenant, partition, generation, hash, size) values (gen_random_uuid(), 'x', 1, '', 5)";
    assert_eq!(
        refused(&database.pool, "veritrail_append", insert).await.0,
        DENIED
    );
}

#[sqlx::test(migrations = false)]
async fn maintenance_erases_parts_and_nothing_else(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    append(
        &ledger,
        &tenant("acme"),
        "default",
        vec![entry("default", 0)],
    )
    .await
    .unwrap();
    let maintain = "veritrail_maintain";
    for column in [
        "event = event || ' '",
        "seq = seq + 1",
        "hash = decode(repeat('00', 32), 'hex')",
        "id = gen_random_uuid()",
    ] {
        let change = format!("update ledger.entries set {column}");
        let (code, message) = refused(&database.pool, maintain, &change).await;
        assert_eq!(code, DENIED, "{column}: {message}");
        assert!(message.contains("can be erased"), "{message}");
    }
    let erase = "update ledger.entries set parts = null, salt = null, residue = '{}'";
    assert_eq!(refused(&database.pool, maintain, erase).await.1, "accepted");
    for other in [
        "delete from ledger.entry_ids",
        "delete from ledger.chains",
        "insert into ledger.entries table ledger.entries",
    ] {
        assert_eq!(
            refused(&database.pool, maintain, other).await.0,
            DENIED,
            "{other}"
        );
    }
}

#[sqlx::test(migrations = false)]
async fn views_show_one_tenant_and_raise_without_one(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    for tenant in [&acme, &globex] {
        append(&ledger, tenant, "default", vec![entry("default", 0)])
            .await
            .unwrap();
    }
    let reader = "veritrail_read";
    for table in ["entries", "entry_ids", "chains", "migrations"] {
        let select = format!("select from ledger.{table}");
        assert_eq!(
            refused(&database.pool, reader, &select).await.0,
            DENIED,
            "{table}"
        );
    }
    for view in ["tenant_entries", "tenant_entry_ids", "tenant_chains"] {
        let select = format!("select count(*) from ledger.{view}");
        let (code, message) = refused(&database.pool, reader, &select).await;
        assert!(
            ["42704", "22P02"].contains(&code.as_str()),
            "{view} without a tenant: {code} {message}"
        );
        let mut transaction = database.pool.begin().await.unwrap();
        let setting = format!(
            "set local role {reader}; set local ledger.tenant = '{}'",
            acme.id
        );
        sqlx::raw_sql(AssertSqlSafe(setting))
            .execute(&mut *transaction)
            .await
            .unwrap();
        let seen: i64 = sqlx::query_scalar(AssertSqlSafe(select))
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(seen, 1, "{view}");
        let others = format!(
            "select count(*) from ledger.{view} where tenant = '{}'",
            globex.id
        );
        let others: i64 = sqlx::query_scalar(AssertSqlSafe(others))
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(others, 0, "{view}");
        transaction.commit().await.unwrap();
        // The setting went with its transaction.
        let (code, _) = refused(
            &database.pool,
            reader,
            &format!("select count(*) from ledger.{view}"),
        )
        .await;
        assert_ne!(code, "", "{view} after the transaction");
    }
}

#[sqlx::test(migrations = false)]
async fn chunks_show_readers_nothing(pool: PgPool) {
    let database = Database::new(pool).await;
    let ledger = database.ledger().await;
    append(
        &ledger,
        &tenant("acme"),
        "default",
        vec![entry("default", 0)],
    )
    .await
    .unwrap();
    let chunks: Vec<String> = sqlx::query_scalar(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'ledger.entries'::regclass",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let timescale: bool = sqlx::query_scalar(
        "select exists (select from pg_extension where extname = 'timescaledb')",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap();
    assert_eq!(
        chunks.is_empty(),
        !timescale,
        "a hypertable where it can be one"
    );
    for chunk in chunks {
        for statement in ["select from", "delete from", "truncate"] {
            let statement = format!("{statement} {chunk}");
            let (code, _) = refused(&database.pool, "veritrail_read", &statement).await;
            assert_eq!(code, DENIED, "{statement}");
        }
        for statement in ["delete from", "update"] {
            let rest = if statement == "update" {
                "set seq = 0"
            } else {
                ""
            };
            let statement = format!("{statement} {chunk} {rest}");
            let (code, _) = refused(&database.pool, "veritrail_owner", &statement).await;
            assert_eq!(code, DENIED, "{statement}");
        }
    }
}

#[sqlx::test(migrations = false)]
async fn migrating_again_changes_nothing(pool: PgPool) {
    let database = Database::new(pool).await;
    let (one, two) = tokio::join!(
        ledger::migrate(&database.url),
        ledger::migrate(&database.url)
    );
    one.unwrap();
    two.unwrap();
    let owned: i64 = sqlx::query_scalar(
        "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = 'ledger' and pg_get_userbyid(c.relowner) <> 'veritrail_owner'",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap();
    assert_eq!(
        owned, 0,
        "everything belongs to the owner, who cannot log in"
    );
}

#[sqlx::test(migrations = false)]
async fn the_first_start_names_the_installation(pool: PgPool) {
    let database = Database::new(pool).await;
    database.ledger().await.stop().await;
    for (origin, other) in [("other.example.com", true), ("Not An Origin", false)] {
        let mut config = database.config();
        config.origin = origin.to_owned();
        match Ledger::start(config).await {
            Err(Error::OtherOrigin { .. }) => assert!(other),
            Err(Error::InvalidOrigin(_)) => assert!(!other),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("{origin} is accepted"),
        }
    }
}

#[sqlx::test(migrations = false)]
async fn an_unsafe_server_is_refused_by_name(pool: PgPool) {
    let database = Database::new(pool).await;
    let mut config = database.config();
    config.allow_unsafe_server = false;
    let fsync: String = sqlx::query_scalar("show fsync")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    let full_page_writes: String = sqlx::query_scalar("show full_page_writes")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    match Ledger::start(config).await {
        Ok(_) => assert_eq!((fsync.as_str(), full_page_writes.as_str()), ("on", "on")),
        Err(Error::UnsafeServer { setting: "fsync" }) => assert_eq!(fsync, "off"),
        Err(Error::UnsafeServer { setting }) => assert_eq!(
            (setting, full_page_writes.as_str()),
            ("full_page_writes", "off")
        ),
        Err(error) => panic!("{error}"),
    }
}

#[sqlx::test(migrations = false)]
async fn followers_read_what_they_follow_and_write_cursors(pool: PgPool) {
    let database = Database::new(pool).await;
    let follower = "veritrail_follow";
    for statement in [
        "select from ledger.entries",
        "select from ledger.chains",
        "select from ledger.entry_ids",
        "select from ledger.installation",
        // Not for want of a tenant.
        "set local ledger.tenant = '00000000-0000-0000-0000-000000000000'; select from ledger.tenant_entries",
        "insert into ledger.chains (tenant, partition, generation, hash) values (gen_random_uuid(), 'x', 1, '')",
        "insert into ledger.entries select from ledger.followed_entries",
        "delete from ledger.followed_entries",
        "update ledger.followed_entries set event = ''",
        "update ledger.heads set size = 0",
        "truncate ledger.cursors",
        "delete from ledger.placements",
    ] {
        let (code, message) = refused(&database.pool, follower, statement).await;
        assert_eq!(code, DENIED, "{statement}: {message}");
    }
    for statement in [
        "select from ledger.followed_entries",
        "select from ledger.heads",
        "delete from ledger.cursors",
        "delete from ledger.unindexed",
        "update ledger.placements set placement = 'own'",
    ] {
        let (_, message) = refused(&database.pool, follower, statement).await;
        assert_eq!(message, "accepted", "{statement}");
    }
    // Readers see how far things are, and nothing else of other tenants.
    for (statement, code) in [
        ("select from ledger.heads", ""),
        ("select from ledger.cursors", ""),
        ("select from ledger.followed_entries", DENIED),
        ("select from ledger.unindexed", DENIED),
        ("select from ledger.placements", DENIED),
        ("delete from ledger.cursors", DENIED),
        ("update ledger.heads set size = 0", DENIED),
    ] {
        let outcome = refused(&database.pool, "veritrail_read", statement).await;
        assert_eq!(outcome.0, code, "{statement}: {}", outcome.1);
    }
}
