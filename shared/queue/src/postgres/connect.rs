//! Connections of the role `veritrail_queue`, and what their errors mean.

use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use url::Url;

use crate::Error;

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Longer than the server lets a statement run: a reply that is not there by then is lost.
const REPLY_TIMEOUT: Duration = Duration::from_secs(12);
/// Connections that nobody uses are given back.
const IDLE: Duration = Duration::from_mins(1);

/// Connects when the first statement does.
pub(super) fn pool(url: &Url, connections: u32) -> Result<PgPool, Error> {
    let options = PgConnectOptions::from_str(url.as_str())
        .map_err(|_| Error::InvalidUrl("is not a PostgreSQL URL"))?
        .application_name("queue")
        .disable_statement_logging()
        .options([
            ("role", "veritrail_queue"),
            ("search_path", "pg_catalog"),
            ("lock_timeout", "3s"),
            ("statement_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "5s"),
            ("client_connection_check_interval", "2s"),
            // A table that was empty when it was last analysed is not always small: one plan, by index.
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("jit", "off"),
        ]);
    Ok(PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE)
        .connect_lazy_with(options))
}

/// Waits for a statement, but not for ever.
pub(super) async fn answer<T>(
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(REPLY_TIMEOUT, statement).await {
        Ok(answer) => answer.map_err(failure),
        Err(late) => Err(Error::Unavailable(late.into())),
    }
}

/// By SQLSTATE, see appendix A of the PostgreSQL manual.
pub(super) fn failure(error: sqlx::Error) -> Error {
    use sqlx::Error as Sqlx;
    let code = match &error {
        Sqlx::Database(database) => database.code().unwrap_or_default().into_owned(),
        Sqlx::Io(_)
        | Sqlx::Tls(_)
        | Sqlx::Protocol(_)
        | Sqlx::PoolTimedOut
        | Sqlx::PoolClosed
        | Sqlx::WorkerCrashed => return Error::Unavailable(error.into()),
        _ => return Error::Refused(error.into()),
    };
    match code.as_str() {
        // No such schema, table or column; at the connection's start, no such role.
        "3F000" | "42P01" | "42703" | "22023" => Error::NotMigrated,
        // Serialization, deadlock, time-outs; ended by an administrator, starting up, standby; a database
        // that is gone or closed.
        "40001" | "40P01" | "55P03" | "57014" | "57P01" | "57P02" | "57P03" | "57P05" | "25006"
        | "25P03" | "3D000" | "55000" => Error::Unavailable(error.into()),
        code => match code.get(..2) {
            // Connections, logins, resources, the system.
            Some("08" | "28" | "53" | "58") => Error::Unavailable(error.into()),
            _ => Error::Refused(error.into()),
        },
    }
}
