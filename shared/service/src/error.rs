//! What a client is told when something is wrong: RFC 9457 problem documents with stable codes.
//!
//! Internal text never gets into one; it is logged once, at the boundary, with its whole source chain.

use std::fmt;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// One place in a request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Place {
    /// A JSON Pointer into the body (`/entries/3/action`; empty: the whole), or `query.NAME`,
    /// `path.NAME`, `header.NAME`.
    pub path: String,
    pub message: String,
}

impl Place {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

/// Every way in which a request can fail. Codes are lower-case words joined by `_` and never change.
#[derive(Debug)]
pub enum ApiError {
    /// 401 with `www-authenticate`: no credential, or not a good one.
    Unauthorized { code: &'static str },
    /// 403: the caller is known and may not.
    Forbidden { code: &'static str },
    /// 404, also for anything of another tenant.
    NotFound,
    /// 405; the router adds `allow`.
    MethodNotAllowed,
    /// 408: the body stopped coming.
    Timeout,
    /// 409. `detail` is shown to the client.
    Conflict { code: &'static str, detail: String },
    /// 413: the body is longer than the route takes.
    TooLarge,
    /// 415: the content type is not the route's.
    UnsupportedMediaType,
    /// 422: well-formed, but these places are wrong.
    Invalid(Vec<Place>),
    /// 400: not even well-formed. `detail` is shown to the client.
    BadRequest { code: &'static str, detail: String },
    /// 429 with `retry-after`.
    TooMany { retry_after: Duration },
    /// 503 with `retry-after`; the source is logged, not shown.
    Unavailable {
        code: &'static str,
        retry_after: Duration,
        source: Option<anyhow::Error>,
    },
    /// 500; the source is logged, not shown.
    Internal(anyhow::Error),
}

impl ApiError {
    /// 422 for a single place.
    pub fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Place::new(path, message)])
    }

    /// 503 with a retry after one second.
    pub fn unavailable(code: &'static str, source: impl Into<anyhow::Error>) -> Self {
        Self::Unavailable {
            code,
            retry_after: Duration::from_secs(1),
            source: Some(source.into()),
        }
    }
}

/// Anything unexpected is a 500.
impl From<anyhow::Error> for ApiError {
    fn from(source: anyhow::Error) -> Self {
        Self::Internal(source)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f;
        todo!()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        todo!()
    }
}

/// A problem document (RFC 9457), for OpenAPI.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    pub r#type: &'static str,
    pub title: &'static str,
    pub status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Stable; what a client branches on.
    pub code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Most places listed: 1,000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Place>,
}
