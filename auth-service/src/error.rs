//! What a handler answers when it cannot do what was asked: an [`ApiError`], with database errors sorted on the way.
//! Never shows a client what the database said.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use service::ApiError;

/// An [`ApiError`] that `?` also makes from a database error.
#[derive(Debug)]
pub(crate) struct Error(pub(crate) ApiError);

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn conflict(code: &'static str, detail: &str) -> Error {
        Error(ApiError::Conflict {
            code,
            detail: detail.to_owned(),
        })
    }

    pub(crate) fn forbidden(code: &'static str) -> Error {
        Error(ApiError::Forbidden { code })
    }

    pub(crate) fn unauthorized(code: &'static str) -> Error {
        Error(ApiError::Unauthorized { code })
    }

    pub(crate) fn not_found() -> Error {
        Error(ApiError::NotFound)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Error {
        Error(error)
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Error {
        Error(ApiError::Internal(error))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        if is_outage(&error) {
            Error(ApiError::unavailable("database_unavailable", error))
        } else {
            Error(ApiError::Internal(error.into()))
        }
    }
}

/// Whether trying again may help: no connection, a server that stops or starts, a lock or statement that took too long.
fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(database) => database.code().is_some_and(|code| {
            // Connection, resources, operator intervention; serialisation, deadlock, lock time-out.
            ["08", "53", "57"]
                .iter()
                .any(|class| code.starts_with(class))
                || ["40001", "40P01", "55P03"].contains(&&*code)
        }),
        _ => false,
    }
}

/// Turns the violation of a named constraint into a 409.
pub(crate) trait OnConstraint<T> {
    fn on_constraint(self, name: &str, code: &'static str, detail: &str) -> Result<T>;
}

impl<T> OnConstraint<T> for std::result::Result<T, sqlx::Error> {
    fn on_constraint(self, name: &str, code: &'static str, detail: &str) -> Result<T> {
        self.map_err(Error::from).on_constraint(name, code, detail)
    }
}

impl<T> OnConstraint<T> for Result<T> {
    fn on_constraint(self, name: &str, code: &'static str, detail: &str) -> Result<T> {
        self.map_err(|error| match &error.0 {
            ApiError::Internal(source) if violates(source, name) => Error::conflict(code, detail),
            _ => error,
        })
    }
}

fn violates(source: &anyhow::Error, name: &str) -> bool {
    source
        .downcast_ref::<sqlx::Error>()
        .and_then(sqlx::Error::as_database_error)
        .and_then(sqlx::error::DatabaseError::constraint)
        == Some(name)
}

/// 503: more passwords wait to be hashed than this process takes.
pub(crate) fn busy() -> ApiError {
    ApiError::Unavailable {
        code: "busy",
        retry_after: Duration::from_secs(1),
        source: None,
    }
}
