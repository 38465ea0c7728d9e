//! What a store can answer instead.

/// An error of the client library underneath, or of the operating system.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a store could not be opened, or could not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server (disk) cannot be reached, is full, or did not answer in time; trying again is right.
    #[error("the object store is not available")]
    Unavailable(#[source] Source),
    #[error("there is no such object")]
    NotFound,
    /// See [`crate::Store`] for what a key may be.
    #[error("the key {0:?} cannot be used")]
    InvalidKey(String),
    /// The object has more parts than S3 takes, or the file system's limit is reached.
    #[error("the object is too large for the store")]
    TooLarge,
    /// The store answered with a refusal that trying again will not change.
    #[error("the object store refused a call")]
    Refused(#[source] Source),
    /// The URL that names the store, or the public endpoint, cannot be used.
    #[error("the URL of the object store {0}")]
    InvalidUrl(&'static str),
    #[error("there is no bucket {0}")]
    NoBucket(String),
}

impl Error {
    /// Of an upload that is to be finished after a write failed, or was dropped before its end.
    pub(crate) fn not_whole() -> Self {
        Self::Refused("a write of this upload did not come to its end".into())
    }
}
