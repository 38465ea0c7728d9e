//! The crate's tests: real sockets where sockets matter, routers by `oneshot` elsewhere.
#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod admission;
mod auth;
mod config;
mod exchange;
mod extract;
mod forged;
mod held;
mod keys;
mod limits;
mod observe;
mod problems;
mod secrets;
mod signer;
mod wire;
