//! What a reader may ask, from the outside.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod cursors;
mod follow;
mod matching;
mod questions;
mod words;
