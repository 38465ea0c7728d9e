//! Whether the index of a tenant is there at all: what is lost while nothing is appended is found at
//! the start of a worker.

use std::collections::BTreeSet;

use search::Error;
use service::Shutdown;
use service::follow::Turn;
use uuid::Uuid;

use crate::sweep::Telling;
use crate::{State, Task, rebuild};

/// One task for each tenant who has chains.
pub(crate) async fn all(state: &State, telling: &mut Telling<'_>) -> anyhow::Result<()> {
    for tenant in tenants(state).await? {
        if !telling.tell(Task::Check(tenant)).await {
            break;
        }
    }
    Ok(())
}

/// Everybody who has a chain with an entry.
pub(crate) async fn tenants(state: &State) -> anyhow::Result<BTreeSet<Uuid>> {
    let mut tenants = BTreeSet::new();
    let mut after = None;
    loop {
        let page = rebuild::chains_after(state, after.as_ref()).await?;
        tenants.extend(page.0.iter().map(|chain| chain.cursor.tenant));
        after = page.1;
        if after.is_none() {
            return Ok(tenants);
        }
    }
}

pub(crate) async fn turn(state: &State, tenant: Uuid, shutdown: &Shutdown) -> anyhow::Result<Turn> {
    match state.search().refresh(tenant).await {
        Ok(()) => Ok(Turn::Done),
        Err(Error::Missing) => {
            // Who was never indexed has lost nothing.
            if state
                .ledger()
                .cursors(state.written(), tenant)
                .await?
                .is_empty()
            {
                return Ok(Turn::Done);
            }
            rebuild::turn(state, tenant, shutdown).await
        }
        Err(Error::Outdated(_)) => rebuild::turn(state, tenant, shutdown).await,
        Err(error) => Err(error.into()),
    }
}
