//! What a queue can answer instead.

/// An error of the client library underneath.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a queue could not be opened, or could not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server cannot be reached, or did not answer in time; trying again is right.
    #[error("the queue is not available")]
    Unavailable(#[source] Source),
    /// The lease ran out, or somebody else has the message: whoever meets this stops working on it.
    #[error("the lease of this message was lost")]
    LeaseLost,
    /// Nothing was sent.
    #[error("message {index} of the call {problem}")]
    InvalidBody { index: usize, problem: &'static str },
    /// The server answered with a refusal that trying again will not change.
    #[error("the queue refused a call")]
    Refused(#[source] Source),
    /// The URL that names the queue cannot be used.
    #[error("the URL of the queue {0}")]
    InvalidUrl(&'static str),
    #[error("there is no queue {0}")]
    NoQueue(String),
    #[error("the queue {0} has no dead-letter queue: give it a redrive policy")]
    NoDeadLetters(String),
    /// The schema is missing or older than this program.
    #[error("the schema queue is not there or not up to date: run the migration")]
    NotMigrated,
    #[error("migrating the schema queue failed")]
    Migrate(#[source] Source),
}
