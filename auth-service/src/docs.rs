//! The answers that many routes share, for OpenAPI. Describes; decides nothing.

use service::error::Problem;
use utoipa::IntoResponses;

#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers that service::ApiError gives")]
pub(crate) enum Denied {
    /// No credential, or not a good one.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] Problem),
    /// The caller's role does not allow it, or the tenant's status.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// The database does not answer, or what is known of revocations is too old.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers that service::ApiError gives")]
pub(crate) enum Malformed {
    /// Not well-formed.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(#[to_schema] Problem),
    /// Longer than 64 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// Another content type.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(#[to_schema] Problem),
    /// Well-formed, with the places in `errors` that are wrong.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(#[to_schema] Problem),
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers that service::ApiError gives")]
pub(crate) enum Missing {
    /// There is none, or it is another tenant's.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] Problem),
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers that service::ApiError gives")]
pub(crate) enum Clash {
    /// `code` says what stands against it.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(#[to_schema] Problem),
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers that service::ApiError gives")]
pub(crate) enum Delayed {
    /// Too many attempts from this address or on this account: `retry-after` says for how long.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(#[to_schema] Problem),
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers that service::ApiError gives")]
pub(crate) enum Limited {
    /// Too many changes by this caller or in this tenant: `retry-after` says for how long. One caller can make 300 at once and then one
    /// each 4 seconds, a tenant's callers together twice as many.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(#[to_schema] Problem),
}
