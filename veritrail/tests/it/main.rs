//! The program itself, as its users run it: a real binary, a real PostgreSQL,
//! a real port. Nothing here waits by the clock: it waits for a line, a file or
//! an end.
#![cfg(target_os = "linux")] // inotify, pidfd, /proc
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod command_line;
mod export;
mod first_start;
mod index;
mod kills;
mod login;
mod stats;
mod tampering;
mod veritrail;
