//! Where a tenant's index is made: as it was chosen for the tenant, else as new tenants' are, and then so each time.

use anyhow::Context as _;
use search::Placement;
use uuid::Uuid;

use crate::State;

const OWN: &str = "own";
const POOLED: &str = "pooled";

impl State {
    pub(crate) async fn placement(&self, tenant: Uuid) -> anyhow::Result<Placement> {
        let new = name(self.settings().placement);
        let placement = self.ledger().placement(tenant, new).await?;
        // A program of a later version may know more of them.
        named(&placement).with_context(|| format!("the placement {placement} of {tenant}"))
    }

    pub(crate) async fn set_placement(
        &self,
        tenant: Uuid,
        placement: Placement,
    ) -> anyhow::Result<()> {
        let set = self.ledger().set_placement(tenant, name(placement)).await;
        Ok(set?)
    }
}

fn name(placement: Placement) -> &'static str {
    match placement {
        Placement::Own => OWN,
        Placement::Pooled => POOLED,
    }
}

fn named(name: &str) -> Option<Placement> {
    match name {
        OWN => Some(Placement::Own),
        POOLED => Some(Placement::Pooled),
        _ => None,
    }
}
