//! What an error of the client means.

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use crate::Error;
use crate::error::Source;

/// A refusal by the server, with its code.
#[derive(Debug, thiserror::Error)]
#[error("{code}")]
pub(super) struct Refusal {
    pub(super) code: String,
    #[source]
    source: Source,
}

pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
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
    let code = code(&error).unwrap_or_default().to_owned();
    let passes = answer.raw().status().is_server_error()
        || matches!(
            code.as_str(),
            // Credentials that are just being renewed, clocks, and quotas.
            "ExpiredToken"
                | "ExpiredTokenException"
                | "RequestExpired"
                | "RequestTimeTooSkewed"
                | "RequestThrottled"
                | "Throttling"
                | "ThrottlingException"
                | "TooManyRequestsException"
                | "OverLimit"
                | "KmsThrottled"
        );
    if passes {
        return Error::Unavailable(error.into());
    }
    let source = error.into();
    Error::Refused(Box::new(Refusal { code, source }))
}

pub(super) fn is_lease_lost(refusal: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let refusal = refusal.downcast_ref::<Refusal>();
    refusal.is_some_and(|refusal| is_receipt_refused(&refusal.code))
}

/// These say that a receipt is not good (any more); with the older protocol's names.
pub(super) fn is_receipt_refused(code: &str) -> bool {
    matches!(
        code,
        "MessageNotInflight"
            | "AWS.SimpleQueueService.MessageNotInflight"
            | "ReceiptHandleIsInvalid"
            | "InvalidParameterValue"
            | "InvalidParameterValueException"
    )
}
