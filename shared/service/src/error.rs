//! What a client is told when something is wrong: RFC 9457 problem documents with stable codes.
//!
//! Internal text never gets into one; it is logged once, at the boundary, with its whole source chain.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::request;

/// Most places that one problem document lists.
const MAX_PLACES: usize = 1000;

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
    /// 416: the range begins behind the end. Whoever answers adds `content-range`.
    RangeNotSatisfiable,
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

    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::BadRequest { .. } => StatusCode::BAD_REQUEST,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable code that clients branch on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized { code }
            | Self::Forbidden { code }
            | Self::Conflict { code, .. }
            | Self::BadRequest { code, .. }
            | Self::Unavailable { code, .. } => code,
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Timeout => "request_timeout",
            Self::TooLarge => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RangeNotSatisfiable => "range_not_satisfiable",
            Self::Invalid(_) => "invalid",
            Self::TooMany { .. } => "too_many_requests",
            Self::Internal(_) => "internal",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany { retry_after } | Self::Unavailable { retry_after, .. } => {
                Some(*retry_after)
            }
            _ => None,
        }
    }

    /// Splits into what the client may see and what only the log may.
    fn split(self) -> (Problem, Option<anyhow::Error>) {
        let status = self.status();
        let code = self.code();
        let mut detail = sentence(code).map(Cow::Borrowed);
        let mut errors = Vec::new();
        let mut source = None;
        match self {
            Self::Conflict { detail: text, .. } | Self::BadRequest { detail: text, .. } => {
                detail = Some(Cow::Owned(text));
            }
            Self::Invalid(mut places) => {
                if places.len() > MAX_PLACES {
                    let more = places.len() - MAX_PLACES;
                    detail = Some(Cow::Owned(format!("{more} more places are not listed")));
                    places.truncate(MAX_PLACES);
                }
                errors = places;
            }
            Self::Unavailable { source: cause, .. } => source = cause,
            Self::Internal(cause) => source = Some(cause),
            _ => {}
        }
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
            code,
            request_id: request::id(),
            errors,
        };
        (problem, source)
    }
}

/// What a code means, in a sentence for people. Codes that are not here need none.
fn sentence(code: &str) -> Option<&'static str> {
    Some(match code {
        "no_credential" => "this needs a bearer token or an API key",
        "bad_credential" => "the credential is not valid",
        "credential_revoked" => "the credential was revoked",
        "token_expired" => "the token has expired",
        "forbidden" => "the role or scope does not allow this",
        "no_tenant" => "this belongs to a tenant, and the caller has none",
        "tenant_suspended" => "the tenant is suspended",
        "tenant_archived" => "the tenant is archived: it can be read, not written",
        "status_stale" => "it is not known right now which tenants and accounts are in order",
        "auth_unavailable" => "the credential cannot be verified right now",
        "not_searchable_yet" => "the entry is stored, and searches do not find it yet",
        "request_timeout" => "the body stopped coming",
        "too_large" => "the body is longer than this route takes",
        "too_many_requests" => "too much at once",
        _ => return None,
    })
}

/// Anything unexpected is a 500.
impl From<anyhow::Error> for ApiError {
    fn from(source: anyhow::Error) -> Self {
        Self::Internal(source)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status().as_u16(), self.code())
    }
}

impl std::error::Error for ApiError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable { source, .. } => source.as_ref().map(AsRef::as_ref),
            Self::Internal(source) => Some(source.as_ref()),
            _ => None,
        }
    }
}

/// What the boundary logs of a failed request; travels in the response's extensions.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) code: &'static str,
    pub(crate) source: Option<Arc<anyhow::Error>>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let code = self.code();
        let retry_after = self.retry_after();
        let (problem, source) = self.split();
        // A problem holds strings and numbers only, which always serialise.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let content_type = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, content_type)], body).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = match code {
                "no_credential" => "Bearer realm=\"veritrail\"",
                _ => "Bearer realm=\"veritrail\", error=\"invalid_token\"",
            };
            let challenge = HeaderValue::from_static(challenge);
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(wait) = retry_after {
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let source = source.map(Arc::new);
        response.extensions_mut().insert(Failure { code, source });
        response
    }
}

/// A problem document (RFC 9457).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    pub r#type: &'static str,
    pub title: &'static str,
    pub status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'static, str>>,
    /// Stable; what a client branches on.
    pub code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// At most 1,000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Place>,
}
