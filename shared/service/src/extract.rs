//! Extractors whose refusals are problem documents that name the place.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// Longest body that [`Json`] reads, in bytes. Routes that take more use [`crate::body::Upload`].
pub const JSON_LIMIT: usize = 64 * 1024;

/// A JSON body, or a JSON answer. Refuses other content types (415), what is not JSON (400 with
/// line and column), and unknown, missing or wrong members (422 with the pointer). Unknown members
/// are refused where `T` says `#[serde(deny_unknown_fields)]`.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let _ = (request, state);
        todo!()
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        todo!()
    }
}

/// A form body (`application/x-www-form-urlencoded`), refused like [`Json`]; parameters twice are
/// refused (RFC 6749 §3.2).
#[derive(Debug, Clone, Copy)]
pub struct Form<T>(pub T);

impl<T, S> FromRequest<S> for Form<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let _ = (request, state);
        todo!()
    }
}

/// The parameters in a route's path; 422 naming `path.NAME`.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let _ = (parts, state);
        todo!()
    }
}

/// The query string; 422 naming `query.NAME`, also for a parameter given twice. Unknown parameters
/// are refused where `T` says `#[serde(deny_unknown_fields)]`.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let _ = (parts, state);
        todo!()
    }
}
