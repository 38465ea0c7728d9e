//! From the ledger into the search index: every chain from its cursor to its head.
//!
//! The ledger is the only debt: hints make it fast, the sweep makes it whole, and a worker that is
//! killed at any moment loses nothing, since cursors move after the index has acknowledged and
//! documents written twice are the same. It serves no users, and writes nothing to a chain.

mod batch;
mod check;
mod config;
mod hints;
mod lag;
mod marks;
mod placement;
pub mod program;
mod rebuild;
mod state;
mod sweep;
mod work;

use std::time::Duration;

use service::Shutdown;
use service::follow;
use service::health::Health;
use tokio::sync::mpsc;

pub use config::Config;
pub use search::{VISIBLE, WRITTEN};
pub use state::{Rest, Settings, State};

/// What hints and sweeps find at most before the loop takes it in; hints take ten places at once.
const FOUND: usize = 64;
/// After the last batch: the last refresh and the last cursors.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// What a worker contributes to `/readyz` and `/health`.
pub fn health(state: &State) -> Health {
    state.health()
}

/// Until `shutdown`; then the batches under way are finished and their cursors moved. Dropping the
/// future is like killing the process: nothing is lost.
pub async fn run(state: State, shutdown: Shutdown) {
    let (sender, found) = mpsc::channel(FOUND);
    let settings = follow::Settings {
        at_once: state.settings().at_once,
        waiting: state.settings().waiting,
        ..follow::Settings::default()
    };
    // The cursors go on being moved until the last batch has ended.
    let after = Shutdown::new();
    let work = {
        let (state, shutdown) = (state.clone(), shutdown.clone());
        move |task| turn(state.clone(), task, shutdown.clone())
    };
    let looping = async {
        follow::run(settings, found, work, &shutdown).await;
        after.begin();
    };
    tokio::join!(
        looping,
        marks::run(&state, &after),
        hints::run(&state, &sender, &shutdown),
        sweep::run(&state, &sender, &shutdown),
    );
    if tokio::time::timeout(LAST_PATIENCE, marks::flush(&state))
        .await
        .is_err()
    {
        tracing::warn!("the last cursors were not moved: their entries are indexed once more");
    }
}

/// What is worked on by one turn at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    /// Bring the chain's entries into the index.
    Index(ledger::Chain),
    /// See whether the tenant's index is there and can be used, else build it anew.
    Check(uuid::Uuid),
}

async fn turn(state: State, task: Task, shutdown: Shutdown) -> anyhow::Result<follow::Turn> {
    match task {
        Task::Index(chain) => work::turn(&state, &chain, &shutdown).await,
        Task::Check(tenant) => check::turn(&state, tenant, &shutdown).await,
    }
}

impl State {
    /// Everything that is behind now, one chain after the other, until it is found by a search; what
    /// another worker is at is left to it. For whoever wants to see the index whole: a worker does it
    /// by itself.
    pub async fn catch_up(&self) -> anyhow::Result<()> {
        let never = Shutdown::new();
        let mut after = None;
        loop {
            let page = sweep::PAGE;
            let (behind, next) = self
                .ledger()
                .behind(self.visible(), after.as_ref(), page)
                .await?;
            for chain in behind {
                let chain = ledger::Chain {
                    tenant: chain.cursor.tenant,
                    partition: chain.cursor.partition,
                };
                let mut turn = follow::Turn::More;
                while turn == follow::Turn::More {
                    turn = work::turn(self, &chain, &never).await?;
                }
            }
            marks::flush(self).await;
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
