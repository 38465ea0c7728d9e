//! What an error of the database means: for a lane, and for a reader.

use std::sync::Arc;

use crate::Error;
use crate::lane::{Command, Failure};

/// Unique key of the id table.
const IDS_KEY: &str = "entry_ids_pkey";

enum Kind {
    Lost,
    Transient,
    IdTaken,
    Refused,
}

/// By SQLSTATE, see appendix A of the PostgreSQL manual. Whatever did not come from the server as an
/// error leaves the outcome open.
fn kind(error: &sqlx::Error) -> Kind {
    let sqlx::Error::Database(database) = error else {
        return Kind::Lost;
    };
    let code = database.code().unwrap_or_default();
    match code.as_ref() {
        "23505" if database.constraint() == Some(IDS_KEY) => Kind::IdTaken,
        // Serialization, deadlock, lock and statement time-outs.
        "40001" | "40P01" | "55P03" | "57014" => Kind::Transient,
        // Ended by an administrator, crashed, starting up; a standby; a database that is gone, or
        // closed for connections.
        "57P01" | "57P02" | "57P03" | "57P05" | "25006" | "25P03" | "3D000" | "55000" => Kind::Lost,
        code => match code.get(..2) {
            // Connection exceptions, and logins refused.
            Some("08" | "28") => Kind::Lost,
            // Insufficient resources (disk, memory, connections), errors of the system.
            Some("53" | "58") => Kind::Transient,
            _ => Kind::Refused,
        },
    }
}

impl Failure {
    /// What an error means for the command that met it.
    pub(crate) fn of(command: &Command, error: sqlx::Error) -> Self {
        match (command, error) {
            // A row is not what it should be. Only reading, nothing was left open; and it concerns the
            // chain of that row alone.
            (
                Command::Load { .. } | Command::Find { .. },
                error @ (sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }),
            ) => Self::Refused(Arc::new(error)),
            (_, error) => error.into(),
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let kind = kind(&error);
        let error = Arc::new(error);
        match kind {
            Kind::Lost => Self::Lost(error),
            Kind::Transient => Self::Transient(error),
            Kind::IdTaken => Self::IdTaken(error),
            Kind::Refused => Self::Refused(error),
        }
    }
}

impl Error {
    pub(crate) fn from_sqlx(error: sqlx::Error) -> Self {
        use sqlx::Error as Sqlx;
        match error {
            Sqlx::Database(_) => match kind(&error) {
                Kind::Lost | Kind::Transient => Self::Unavailable(error),
                Kind::IdTaken | Kind::Refused => Self::Database(error),
            },
            Sqlx::Io(_)
            | Sqlx::Tls(_)
            | Sqlx::Protocol(_)
            | Sqlx::PoolTimedOut
            | Sqlx::PoolClosed
            | Sqlx::WorkerCrashed => Self::Unavailable(error),
            _ => Self::Database(error),
        }
    }
}
