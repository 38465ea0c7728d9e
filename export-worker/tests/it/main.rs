//! Exports on a real PostgreSQL, into a directory and into S3: the same bytes whatever happens in
//! between, and nothing left behind.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod bytes;
mod ends;
mod hints;
mod kills;
mod large;
mod shares;
mod stopping;
mod tampering;
mod world;
