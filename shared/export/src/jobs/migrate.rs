//! Bringing the schema up to date. Only ever forward; the version before runs on the new schema.

use std::str::FromStr as _;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::Error;

/// Any number that nothing else in the database locks: "export" in ASCII.
const MIGRATION_LOCK: i64 = 0x6578_706f_7274;

/// Creates the schema `export` with its roles, or brings it up to date. May run in several processes
/// at once; changes nothing when there is nothing to do.
///
/// `url` is a connection of a superuser, or of a login role that may create roles and schemas. Make
/// log-service's login role a member of `veritrail_export_ask`, export-worker's of
/// `veritrail_export_work`.
pub async fn migrate(url: &SecretString) -> Result<(), Error> {
    let options = PgConnectOptions::from_str(url.expose_secret()).map_err(Error::Database)?;
    let options = options
        .application_name("export migration")
        .disable_statement_logging();
    let mut connection = PgConnection::connect_with(&options).await?;
    prepare(&mut connection).await?;
    let mut migrator: Migrator = sqlx::migrate!();
    migrator.dangerous_set_table_name("export.migrations");
    // Another process, of a later version, may have been here.
    migrator.set_ignore_missing(true);
    migrator
        .run_direct(None, &mut connection, false)
        .await
        .map_err(Error::Migrate)?;
    Ok(connection.close().await?)
}

/// Roles and schema, in one transaction, so that a crash leaves nothing half done.
async fn prepare(connection: &mut PgConnection) -> Result<(), Error> {
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
