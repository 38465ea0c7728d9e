//! Tenants, users, API keys, tokens and the keys that sign them.
//! Never touches an entry: what happens here is told to the tenants' `system` partitions over HTTP, through an outbox.

mod config;
mod credentials;
mod database;
mod keys;
mod secret;
mod state;

use service::Shutdown;
use utoipa_axum::router::OpenApiRouter;

pub use config::{Config, Listen};
pub use credentials::{Credentials, Login, ServiceAccount};
pub use database::migrate;
pub use keys::Algorithm;
pub use secret::Secret;
pub use state::State;

/// Every route, with the state applied; the caller merges, documents and serves.
pub fn router(state: State) -> OpenApiRouter {
    let _ = state;
    todo!()
}

/// What runs beside the routes until `shutdown`: key reloading, the status feed, outbox delivery, tidying.
pub async fn run(state: State, shutdown: Shutdown) {
    let _ = (state, shutdown);
    todo!()
}

/// Creates operator, tenant, admin and service account with the secrets that the caller has made durable before. Idempotent: true when it created something.
/// Migrates first. A second call with other credentials changes nothing and is refused.
pub async fn bootstrap(config: &Config, credentials: &Credentials) -> anyhow::Result<bool> {
    let _ = (config, credentials);
    todo!()
}
