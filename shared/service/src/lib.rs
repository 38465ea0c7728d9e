//! What every process has: configuration, telemetry, callers, problem documents, limits, health, graceful stop.
//!
//! Start at [`http::serve`] (the server loop and the one middleware), [`Caller`] (who asks) and
//! [`ApiError`] (what a client is told). Nothing here knows an entry, a chain or a business rule.

pub mod access;
pub mod background;
pub mod backoff;
pub mod body;
pub mod caller;
pub mod config;
pub mod docs;
pub mod error;
pub mod exchange;
pub mod extract;
pub mod follow;
pub mod health;
pub mod http;
pub mod keys;
pub mod metrics;
pub mod permission;
pub mod request;
mod scope;
pub mod shutdown;
pub mod status;
pub mod telemetry;
pub mod token;

pub use access::Access;
pub use caller::{Caller, Kind, Principal, Tenant};
pub use error::{ApiError, Place};
pub use permission::{Permission, Role, Roles, Scopes};
pub use shutdown::Shutdown;
