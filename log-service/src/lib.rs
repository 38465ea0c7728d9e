//! Append, read, verify: the front of the audit trail.
//!
//! It decides who may append and read what, and tells the trail who read it. It opens no signing
//! key, and holds no SQL: chains and entries are the ledger's, export jobs are `export`'s.

mod access_record;
mod append;
mod config;
mod exports;
mod hint;
mod index;
mod partitions;
pub mod program;
mod read;
mod router;
mod schema;
mod state;
mod stream;

pub use config::{Config, Exports as ExportsConfig, Streams};
pub use router::router;
pub use state::State;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use service::Shutdown;
use service::health::Health;

/// Creates the schemas `ledger`, `export` and `queue` (for queues in the same database), or brings them
/// up to date; `url` is of a user who may create roles and schemas.
pub async fn migrate(url: &SecretString) -> anyhow::Result<()> {
    ledger::migrate(url.expose_secret())
        .await
        .context("cannot migrate the ledger")?;
    export::jobs::migrate(url)
        .await
        .context("cannot migrate the export jobs")?;
    queue::migrate(url)
        .await
        .context("cannot migrate the queues")
}

/// What this service contributes to `/readyz` and `/health`.
pub fn health(state: &State) -> Health {
    state.health()
}

/// Ends all live streams with a reason, lets nobody follow any more, and returns when the readers are
/// gone, within seconds. To be called as soon as a stop begins: sockets are not among the requests
/// whose end the server waits for.
pub async fn close_streams(state: &State) {
    state.streams().close().await;
}

/// What runs beside the routes until `shutdown`: access records are written when their window ends,
/// hints are sent. Returns after the last of them are written and the ledger's lanes are drained.
pub async fn run(state: State, shutdown: Shutdown) {
    // The last access records are hinted at too.
    let after = Shutdown::new();
    let records = async {
        access_record::run(&state, &shutdown).await;
        after.begin();
    };
    tokio::join!(records, state.send_hints(&after));
    state.exports().close().await;
    state.ledger().stop().await;
}
