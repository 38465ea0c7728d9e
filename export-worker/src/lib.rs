//! From the ledger into the object store: export jobs.
//!
//! The job table is the only debt: hints make it fast, looking at the table makes it whole. A worker
//! that is killed at any moment is taken over when its lease has run out, and the next attempt writes
//! the same bytes under a key of its own. It serves no users, and writes nothing to a chain.

mod clean;
mod config;
mod hints;
pub mod program;
mod state;
mod take;
mod work;

use service::Shutdown;
use service::health::Health;

pub use config::Config;
pub use state::{Settings, State};

/// What a worker contributes to `/readyz` and `/health`.
pub fn health(state: &State) -> Health {
    state.health()
}

/// Until `shutdown`; jobs under way are given back then, for another worker to begin anew. Dropping
/// the future is like killing the process: their leases run out.
pub async fn run(state: State, shutdown: Shutdown) {
    state::describe();
    let wake = take::Wake::new();
    tokio::join!(
        take::run(&state, &wake, &shutdown),
        hints::run(&state, &wake, &shutdown),
        clean::run(&state, &shutdown),
    );
}
