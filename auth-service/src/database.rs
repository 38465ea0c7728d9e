//! The connection pool and the migrations of schema `auth`. Never touches another schema.

use std::time::Duration;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgPool};

/// Bound what a lost client or a forgotten lock can hold up. Not for migrations, which take as long as they take.
const TIMEOUTS: [(&str, &str); 3] = [
    ("statement_timeout", "10s"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "10s"),
];

/// Brings schema `auth` up to date. Several processes may do so at once: the migrator holds an advisory lock.
pub async fn migrate(database_url: &SecretString) -> anyhow::Result<()> {
    let mut connection = parse(database_url)?
        .connect()
        .await
        .context("cannot reach the database")?;
    migrator()
        .run_direct(None, &mut connection, false)
        .await
        .context("cannot migrate schema auth")
}

/// The migrations with their own bookkeeping table inside the schema.
fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!();
    migrator.create_schema("auth");
    migrator.dangerous_set_table_name("auth.migrations");
    migrator
}

pub(crate) async fn connect(database_url: &SecretString, size: u32) -> anyhow::Result<PgPool> {
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(Duration::from_secs(5))
        .connect_with(parse(database_url)?.options(TIMEOUTS))
        .await
        .context("cannot reach the database")
}

fn parse(database_url: &SecretString) -> anyhow::Result<PgConnectOptions> {
    let options: PgConnectOptions = database_url
        .expose_secret()
        .parse()
        .context("DATABASE_URL is not a PostgreSQL URL")?;
    Ok(options
        .application_name("auth-service")
        .options([("client_min_messages", "warning")]))
}
