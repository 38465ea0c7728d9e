//! Chains as such: listing and creating them. Never entries.

use super::view::begin;
use crate::lane::GIVEN_PARTITIONS;
use crate::rows::{decode_hash, genesis, place};
use crate::{Error, Ledger, Partition, Tenant};

const FIRST_GENERATION: u32 = 1;

impl Ledger {
    /// Creates a chain; `false` when it was there. `default` and `system` need no creating.
    pub async fn create_partition(&self, tenant: &Tenant, partition: &str) -> Result<bool, Error> {
        if !is_partition(partition) {
            return Err(Error::InvalidPartition(partition.to_owned()));
        }
        let hash = genesis(tenant, &self.shared.origin, partition, FIRST_GENERATION);
        let created = sqlx::query!(
            "insert into ledger.chains (tenant, partition, generation, hash) values ($1, $2, 1, $3)
             on conflict do nothing",
            tenant.id,
            partition,
            &hash.0[..],
        )
        .execute(&self.shared.writers)
        .await
        .map_err(Error::from_sqlx)?;
        let given = GIVEN_PARTITIONS.contains(&partition);
        Ok(created.rows_affected() > 0 && !given)
    }

    /// All chains of a tenant by name; `default` and `system` also when nothing was written yet. A row
    /// that is no chain's head is left out: [`Ledger::unchained`] names it.
    pub async fn partitions(&self, tenant: &Tenant) -> Result<Vec<Partition>, Error> {
        let mut transaction = begin(self, tenant).await?;
        let rows = sqlx::query!(
            r#"select c.partition as "partition!", c.generation as "generation!", c.size as "size!", c.hash as "hash!",
                      case when c.received_at >= '0001-01-01 00:00:00+00' and c.received_at < '10000-01-01 00:00:00+00'
                           then c.received_at end as received_at
                 from ledger.tenant_chains c where c.tenant = $1"#,
            tenant.id
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(Error::from_sqlx)?;
        drop(transaction);
        let mut unwritten = GIVEN_PARTITIONS.to_vec();
        let mut partitions = Vec::with_capacity(rows.len() + GIVEN_PARTITIONS.len());
        for row in rows {
            unwritten.retain(|name| *name != row.partition);
            let head = row
                .received_at
                .and_then(|moment| place(row.generation, row.size, moment));
            let (Some((generation, size, received_at)), Ok(hash)) = (head, decode_hash(&row.hash))
            else {
                continue;
            };
            partitions.push(Partition {
                generation,
                size,
                hash,
                received_at: (size > 0).then_some(received_at),
                partition: row.partition,
            });
        }
        for name in unwritten {
            partitions.push(Partition {
                partition: name.to_owned(),
                generation: FIRST_GENERATION,
                size: 0,
                hash: genesis(tenant, &self.shared.origin, name, FIRST_GENERATION),
                received_at: None,
            });
        }
        partitions.sort_by(|a, b| a.partition.cmp(&b.partition));
        Ok(partitions)
    }

    /// Names of partitions that have entries but no chain, or a row in the place of their head that
    /// cannot be one: nothing of ours leaves such rows.
    pub async fn unchained(&self, tenant: &Tenant) -> Result<Vec<String>, Error> {
        let mut transaction = begin(self, tenant).await?;
        // From name to name by the key, since a tenant has few names and many entries.
        let names = sqlx::query_scalar!(
            r#"with recursive names as (
                 (select e.partition from ledger.tenant_entries e where e.tenant = $1 order by e.partition limit 1)
                 union all
                 select (select e.partition from ledger.tenant_entries e
                          where e.tenant = $1 and e.partition > n.partition order by e.partition limit 1)
                   from names n where n.partition is not null
               )
               select n.partition as "partition!" from names n
                where n.partition is not null
                  and not exists (select from ledger.tenant_chains c where c.tenant = $1 and c.partition = n.partition)
                union all
               select c.partition from ledger.tenant_chains c
                where c.tenant = $1
                  and not (c.generation >= 1 and c.size >= 0 and octet_length(c.hash) = 32
                           and c.received_at >= '0001-01-01 00:00:00+00' and c.received_at < '10000-01-01 00:00:00+00')"#,
            tenant.id
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(Error::from_sqlx)?;
        drop(transaction);
        Ok(names)
    }
}

/// Format §1: `[a-z0-9][a-z0-9_-]{0,62}`.
fn is_partition(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 63
        && name.starts_with(alphanumeric)
        && name
            .chars()
            .all(|c| alphanumeric(c) || c == '_' || c == '-')
}
