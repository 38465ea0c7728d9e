//! Where each tenant's search index is made: words that mean nothing here.

use uuid::Uuid;

use super::Followed;
use crate::Error;

impl Followed {
    /// Where the tenant's index is made; `new` from now on where that was never said. One statement, in which one of
    /// two who ask at once waits for the other.
    pub async fn placement(&self, tenant: Uuid, new: &str) -> Result<String, Error> {
        sqlx::query_scalar!(
            "insert into ledger.placements as p (tenant, placement) values ($1, $2)
             on conflict (tenant) do update set placement = p.placement
             returning placement",
            tenant,
            new,
        )
        .fetch_one(&self.pool)
        .await
        .map_err(Error::from_sqlx)
    }

    /// Says where it is made from now on.
    pub async fn set_placement(&self, tenant: Uuid, placement: &str) -> Result<(), Error> {
        sqlx::query!(
            "insert into ledger.placements (tenant, placement) values ($1, $2)
             on conflict (tenant) do update set placement = excluded.placement",
            tenant,
            placement,
        )
        .execute(&self.pool)
        .await
        .map_err(Error::from_sqlx)?;
        Ok(())
    }
}
