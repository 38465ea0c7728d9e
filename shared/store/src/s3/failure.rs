//! What an answer of the client means.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::Error;

pub(super) enum Answer<T> {
    Is(T),
    /// 404: of an object or an upload.
    Missing,
    /// 409, 412, 416: there already, several writers at once, or a range beyond the end.
    Conflict,
}

/// Sorts out what is no failure.
pub(super) fn answer<T, E>(result: Result<T, SdkError<E, HttpResponse>>) -> Result<Answer<T>, Error>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let error = match result {
        Ok(answer) => return Ok(Answer::Is(answer)),
        Err(error) => error,
    };
    let status = error.raw_response().map_or(0, |raw| raw.status().as_u16());
    match (status, code(&error)) {
        (404, Some("NoSuchBucket")) => Err(failure(error)),
        (404, _) => Ok(Answer::Missing),
        (409 | 412 | 416, _) => Ok(Answer::Conflict),
        _ => Err(failure(error)),
    }
}

fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
}

pub(super) fn failure<E>(error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let SdkError::ServiceError(answer) = &error else {
        return match error {
            SdkError::ConstructionFailure(_) => Error::Refused(error.into()),
            error => Error::Unavailable(error.into()),
        };
    };
    let passes = answer.raw().status().is_server_error()
        || matches!(
            code(&error),
            // Credentials that are just being renewed, clocks, and quotas.
            Some(
                "ExpiredToken"
                    | "RequestExpired"
                    | "RequestTimeTooSkewed"
                    | "RequestTimeout"
                    | "SlowDown"
                    | "Throttling"
                    | "ThrottlingException"
                    | "TooManyRequests"
            )
        );
    if passes {
        return Error::Unavailable(error.into());
    }
    if code(&error) == Some("EntityTooLarge") {
        return Error::TooLarge;
    }
    Error::Refused(error.into())
}
