//! Extractors whose refusals are problem documents that name the place.
//!
//! All of them refuse U+0000, which PostgreSQL cannot store, so that no handler meets it.

mod json;
mod parameters;

use axum::extract::path::ErrorKind;
use axum::extract::rejection::{PathRejection, RawPathParamsRejection};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::body::Upload;
use crate::error::ApiError;

/// Longest body that [`Json`] reads, in bytes. Routes that take more use [`Upload`].
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
        let upload = Upload::from_request(request, state).await?;
        let body = upload.read_json(JSON_LIMIT).await?;
        json::parse(&body).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                let json = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, json)], body).into_response()
            }
            Err(error) => ApiError::Internal(error.into()).into_response(),
        }
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

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        parameters::parse(query.as_bytes()).map(Self)
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
        let names = raw_path(parts, state).await?;
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(path_error(rejection, &names)),
        }
    }
}

/// The names of the path's parameters, once their values are known to be text without U+0000.
async fn raw_path<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Vec<String>, ApiError> {
    let params = match RawPathParams::from_request_parts(parts, state).await {
        Ok(params) => params,
        Err(RawPathParamsRejection::InvalidUtf8InPathParam(_)) => {
            return Err(ApiError::invalid("path", "not UTF-8"));
        }
        Err(rejection) => return Err(ApiError::Internal(anyhow::Error::new(rejection))),
    };
    for (name, value) in &params {
        if value.contains('\0') {
            return Err(ApiError::invalid(format!("path.{name}"), "contains U+0000"));
        }
    }
    Ok(params.iter().map(|(name, _)| name.to_owned()).collect())
}

fn path_error(rejection: PathRejection, names: &[String]) -> ApiError {
    let PathRejection::FailedToDeserializePathParams(failure) = rejection else {
        return ApiError::Internal(anyhow::Error::new(rejection));
    };
    let at = |name: &str, message: String| ApiError::invalid(format!("path.{name}"), message);
    let nth = |index: usize| names.get(index).map_or("", String::as_str);
    let expected = |what: &str| format!("not a valid {what}");
    match failure.into_kind() {
        ErrorKind::ParseErrorAtKey {
            key, expected_type, ..
        } => at(&key, expected(expected_type)),
        ErrorKind::ParseErrorAtIndex {
            index,
            expected_type,
            ..
        } => at(nth(index), expected(expected_type)),
        ErrorKind::ParseError { expected_type, .. } => at(nth(0), expected(expected_type)),
        ErrorKind::DeserializeError { key, message, .. } => at(&key, json::shorten(message)),
        ErrorKind::Message(message) => at(nth(0), json::shorten(message)),
        other => ApiError::Internal(anyhow::anyhow!("route and handler disagree: {other}")),
    }
}
