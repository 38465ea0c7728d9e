//! Bringing the schema up to date. Only ever forward; the version before runs on the new schema.

use std::str::FromStr;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use crate::Error;

/// Any number that nothing else in the database locks: "ledger" in ASCII.
const MIGRATION_LOCK: i64 = 0x6c65_6467_6572;

/// Creates the schema `ledger` with its roles, or brings it up to date. May run in several
/// processes at once; changes nothing when there is nothing to do.
///
/// `url` is a connection of a superuser, or of a login role that may create roles and schemas.
/// Where another role does the appending, make it a member of `veritrail_append` and
/// `veritrail_read`.
pub async fn migrate(url: &str) -> Result<(), Error> {
    let options = PgConnectOptions::from_str(url).map_err(Error::Database)?;
    let options = options
        .application_name("ledger migration")
        .disable_statement_logging();
    let mut connection = PgConnection::connect_with(&options)
        .await
        .map_err(Error::from_sqlx)?;
    prepare(&mut connection).await.map_err(Error::from_sqlx)?;
    let mut migrator: Migrator = sqlx::migrate!();
    migrator.dangerous_set_table_name("ledger.migrations");
    // Another process, of a later version, may have been here.
    migrator.set_ignore_missing(true);
    migrator
        .run_direct(None, &mut connection, false)
        .await
        .map_err(Error::Migrate)?;
    connection.close().await.map_err(Error::from_sqlx)
}

/// Roles, schema and extension. All in one transaction, so that a crash leaves nothing half done.
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
