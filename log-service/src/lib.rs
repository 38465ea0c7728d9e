//! Append, read, verify: the front of the audit trail.
//!
//! It decides who may append and read what, and tells the trail who read it. It opens no signing
//! key, and holds no SQL: chains and entries are the ledger's.

mod access_record;
mod append;
mod config;
mod hint;
mod partitions;
pub mod program;
mod read;
mod router;
mod schema;
mod state;

pub use config::Config;
pub use router::router;
pub use state::State;

use service::Shutdown;
use service::health::Health;

/// What this service contributes to `/readyz` and `/health`.
pub fn health(state: &State) -> Health {
    state.health()
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
    state.ledger().stop().await;
}
