//! Exports without a worker: the bytes of files, and who may do what with the job table.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod files;
mod rights;
