//! What an error of the operating system means.

use std::io;

use rustix::io::Errno;

use crate::Error;

/// Runs file operations on a thread where waiting is allowed.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Refused(error.into()))?
}

impl From<Errno> for Error {
    fn from(error: Errno) -> Self {
        match error {
            Errno::FBIG => Self::TooLarge,
            // A disk that is full, read-only, failing or gone, and too much that is open: may pass.
            Errno::NOSPC
            | Errno::DQUOT
            | Errno::ROFS
            | Errno::IO
            | Errno::NODEV
            | Errno::NXIO
            | Errno::STALE
            | Errno::TIMEDOUT
            | Errno::NOTCONN
            | Errno::HOSTDOWN
            | Errno::MFILE
            | Errno::NFILE
            | Errno::NOMEM
            | Errno::AGAIN => Self::Unavailable(error.into()),
            _ => Self::Refused(error.into()),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(number) => number.into(),
            None => Self::Refused(error.into()),
        }
    }
}
