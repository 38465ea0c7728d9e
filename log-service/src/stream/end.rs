//! Why a stream ends: what its last frame says, and the code that a WebSocket closes with. Codes
//! are stable, like those of problem documents.

use service::ApiError;

/// The reason, by its stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The service refuses, with a code of its problem documents.
    Refused { code: &'static str, status: u16 },
    /// The service stops; another replica goes on.
    Stopping,
    /// More partitions have entries than a cursor can name.
    TooManyPartitions,
    /// The chain is shorter than what was read of it: the database went back in time.
    RollbackDetected,
    /// No credential came in time.
    AuthenticationTimeout,
    /// A message that is none of the stream's.
    BadMessage,
    /// More messages than anybody needs to send.
    TooManyMessages,
    /// A new token of somebody else, or one that may see something else.
    OtherCaller,
}

impl End {
    pub(crate) const UNAVAILABLE: Self = Self::Refused {
        code: "database_unavailable",
        status: 503,
    };

    pub(crate) fn refused(error: &ApiError) -> Self {
        Self::Refused {
            code: error.code(),
            status: error.status().as_u16(),
        }
    }

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Stopping => "stopping",
            Self::TooManyPartitions => "too_many_partitions",
            Self::RollbackDetected => "rollback_detected",
            Self::AuthenticationTimeout => "authentication_timeout",
            Self::BadMessage => "bad_message",
            Self::TooManyMessages => "too_many_messages",
            Self::OtherCaller => "other_caller",
        }
    }

    /// RFC 6455 §7.4: its own where it has one, otherwise 4000 and the HTTP status.
    pub(crate) fn close_code(self) -> u16 {
        match self {
            Self::Refused { status, .. } => 4000 + status,
            Self::Stopping => 1001,
            Self::TooManyPartitions => 4422,
            Self::RollbackDetected => 4503,
            Self::AuthenticationTimeout => 4408,
            Self::BadMessage | Self::TooManyMessages => 1008,
            Self::OtherCaller => 4403,
        }
    }
}
