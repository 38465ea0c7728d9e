//! Bringing the schema up to date. Only ever forward; the version before runs on the new schema.

use std::str::FromStr;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use super::{connect, split};
use crate::Error;

/// Any number that nothing else in the database locks: "queue" in ASCII.
const MIGRATION_LOCK: i64 = 0x71_7565_7565;

pub(crate) async fn migrate(url: &str) -> Result<(), Error> {
    let (url, _) = split(url)?;
    let options = PgConnectOptions::from_str(url.as_str())
        .map_err(|_| Error::InvalidUrl("is not a PostgreSQL URL"))?
        .application_name("queue migration")
        .disable_statement_logging()
        .options([("client_min_messages", "warning")]);
    let mut connection = PgConnection::connect_with(&options)
        .await
        .map_err(connect::failure)?;
    prepare(&mut connection).await.map_err(connect::failure)?;
    let mut migrator: Migrator = sqlx::migrate!();
    migrator.dangerous_set_table_name("queue.migrations");
    // Another process, of a later version, may have been here.
    migrator.set_ignore_missing(true);
    migrator
        .run_direct(None, &mut connection, false)
        .await
        .map_err(|error: MigrateError| Error::Migrate(error.into()))?;
    connection.close().await.map_err(connect::failure)
}

/// Roles and schema, in one transaction, so that a crash leaves nothing half done.
async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query!("select pg_advisory_xact_lock($1)", MIGRATION_LOCK)
        .execute(&mut *transaction)
        .await?;
    sqlx::raw_sql(include_str!("roles.sql"))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    // What migrations create belongs to the owner, who cannot log in.
    sqlx::raw_sql("set role veritrail_owner; set search_path = public, pg_catalog")
        .execute(connection)
        .await?;
    Ok(())
}
