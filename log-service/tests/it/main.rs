//! log-service from the outside, on a real PostgreSQL: routes by `oneshot`, tokens of a real
//! server that publishes keys and status. Each story ends by recomputing every chain from the raw
//! rows with independent code.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod access_records;
mod append;
mod auth;
mod bulk;
mod direct_exports;
mod evidence;
mod exports;
mod hints;
mod independent;
mod list;
mod logs;
mod partitions;
mod replicas;
mod routes;
mod search;
mod status;
mod stream;
mod tamper;
mod wait;
mod world;
