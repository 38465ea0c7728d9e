//! Tenants, users, API keys, tokens and the keys that sign them.
//! Never touches an entry: what happens here is told to the tenants' `system` partitions over HTTP, through an outbox.
//!
//! Start at [`router`] (what can be asked) and [`run`] (what happens beside it).

mod bootstrap;
mod change;
mod client;
mod config;
mod credentials;
mod database;
mod delays;
mod docs;
mod error;
mod hashing;
mod keys;
mod outbox;
mod page;
mod program;
mod rate;
mod routes;
mod rules;
mod secret;
mod service_accounts;
mod state;
mod status;
mod tenants;
mod tidy;
mod tokens;
mod users;

pub use bootstrap::{bootstrap, bootstrapped};
pub use config::Config;
pub use credentials::{Credentials, Login, ServiceAccount};
pub use database::migrate;
pub use keys::Algorithm;
pub use keys::revoke::{Revoked, revoke as revoke_signing_key};
pub use outbox::deliver::Round;
pub use program::{Program, health};
pub use routes::router;
pub use secret::Secret;
pub use state::{State, run};
