//! The entry format against its vectors, against naive implementations and against spoiled input.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod entries;
mod page;
mod properties;
mod rejected;
mod spoiled;
mod tree;
mod vectors;
mod whole_chain;
