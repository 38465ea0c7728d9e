//! Cursors: where a follower is in each chain. They only move forward here; [`super::fence`] is what
//! sets them back.

use chain::Timestamp;
use sqlx::PgExecutor;
use sqlx::postgres::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Chain, Cursor, Cursors, Followed, Head};
use crate::rows::{place, to_time};
use crate::{Error, Ledger};

struct Row {
    tenant: Uuid,
    partition: String,
    generation: i32,
    next: i64,
    received_at: OffsetDateTime,
}

impl Row {
    fn into_cursor(self) -> Result<Cursor, Error> {
        let place = place(self.generation, self.next, self.received_at);
        let Some((generation, next, received_at)) = place else {
            return Err(Error::Damaged {
                partition: self.partition,
                seq: self.next,
                what: "cursor",
            });
        };
        Ok(Cursor {
            tenant: self.tenant,
            partition: self.partition,
            generation,
            next,
            received_at,
        })
    }
}

/// Of each named chain that has a head, where the follower is in its current generation.
async fn of_chains(pool: &PgPool, follower: &str, chains: &[Chain]) -> Result<Vec<Cursor>, Error> {
    let tenants: Vec<Uuid> = chains.iter().map(|chain| chain.tenant).collect();
    let partitions: Vec<&str> = chains.iter().map(|chain| &*chain.partition).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select h.tenant as "tenant!", h.partition as "partition!", h.generation as "generation!",
                  coalesce(k.next, 0) as "next!",
                  coalesce(k.received_at, '0001-01-01 00:00:00+00') as "received_at!"
             from unnest($2::uuid[], $3::text[]) q (tenant, partition)
            cross join lateral (
               select * from ledger.heads h where h.tenant = q.tenant and h.partition = q.partition offset 0
             ) h
             left join lateral (
               select * from ledger.cursors k
                where k.follower = $1 and k.tenant = h.tenant and k.partition = h.partition
                  and k.generation = h.generation
               offset 0
             ) k on true"#,
        follower,
        &tenants,
        &partitions as &[&str],
    )
    .fetch_all(pool)
    .await
    .map_err(Error::from_sqlx)?;
    rows.into_iter().map(Row::into_cursor).collect()
}

/// All of a tenant, and the epoch that they are of, in one snapshot.
async fn with_epoch(pool: &PgPool, follower: &str, tenant: Uuid) -> Result<Cursors, Error> {
    let rows = sqlx::query!(
        r#"select k.tenant, k.partition, k.generation, k.next, k.received_at, coalesce(f.epoch, 0) as "epoch!"
             from ledger.cursors k left join ledger.fences f on f.follower = k.follower and f.tenant = k.tenant
            where k.follower = $1 and k.tenant = $2"#,
        follower,
        tenant,
    )
    .fetch_all(pool)
    .await
    .map_err(Error::from_sqlx)?;
    let epoch = rows.first().map_or(0, |row| row.epoch);
    let cursors = rows.into_iter().map(|row| {
        let row = Row {
            tenant: row.tenant,
            partition: row.partition,
            generation: row.generation,
            next: row.next,
            received_at: row.received_at,
        };
        row.into_cursor()
    });
    Ok(Cursors {
        cursors: cursors.collect::<Result<_, _>>()?,
        epoch,
    })
}

async fn of_tenant(pool: &PgPool, follower: &str, tenant: Uuid) -> Result<Vec<Cursor>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select tenant, partition, generation, next, received_at from ledger.cursors
          where follower = $1 and tenant = $2 order by partition, generation",
        follower,
        tenant,
    )
    .fetch_all(pool)
    .await
    .map_err(Error::from_sqlx)?;
    rows.into_iter().map(Row::into_cursor).collect()
}

async fn heads(pool: &PgPool, chains: &[Chain]) -> Result<Vec<Head>, Error> {
    let tenants: Vec<Uuid> = chains.iter().map(|chain| chain.tenant).collect();
    let partitions: Vec<&str> = chains.iter().map(|chain| &*chain.partition).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select h.tenant as "tenant!", h.partition as "partition!", h.generation as "generation!",
                  h.size as "next!", h.received_at as "received_at!"
             from unnest($1::uuid[], $2::text[]) q (tenant, partition)
            cross join lateral (
               select * from ledger.heads h where h.tenant = q.tenant and h.partition = q.partition offset 0
             ) h"#,
        &tenants,
        &partitions as &[&str],
    )
    .fetch_all(pool)
    .await
    .map_err(Error::from_sqlx)?;
    let heads = rows.into_iter().map(|row| {
        let cursor = row.into_cursor()?;
        Ok(Head {
            tenant: cursor.tenant,
            partition: cursor.partition,
            generation: cursor.generation,
            size: cursor.next,
            received_at: cursor.received_at,
        })
    });
    heads.collect()
}

pub(crate) async fn epoch(
    database: impl PgExecutor<'_>,
    follower: &str,
    tenant: Uuid,
) -> Result<i64, Error> {
    let epoch = sqlx::query_scalar!(
        "select epoch from ledger.fences where follower = $1 and tenant = $2",
        follower,
        tenant,
    );
    let epoch = epoch.fetch_optional(database).await;
    Ok(epoch.map_err(Error::from_sqlx)?.unwrap_or(0))
}

impl Ledger {
    /// How far chains of any tenants are: one short statement, whatever their number. A chain that
    /// nothing was ever written to is left out.
    pub async fn heads(&self, chains: &[Chain]) -> Result<Vec<Head>, Error> {
        heads(&self.shared.readers, chains).await
    }

    /// Where a follower is in chains of any tenants, in their current generation: one short
    /// statement. A chain that nothing was ever written to is left out.
    pub async fn progress(&self, follower: &str, chains: &[Chain]) -> Result<Vec<Cursor>, Error> {
        of_chains(&self.shared.readers, follower, chains).await
    }

    /// Where a follower is in the chains of a tenant, in one short statement. A chain that it never worked on
    /// is left out.
    pub async fn cursors(&self, follower: &str, tenant: Uuid) -> Result<Cursors, Error> {
        with_epoch(&self.shared.readers, follower, tenant).await
    }

    /// How often the tenant's cursors of a follower were set back: what was known of them holds while this
    /// is the same.
    pub async fn epoch(&self, follower: &str, tenant: Uuid) -> Result<i64, Error> {
        epoch(&self.shared.readers, follower, tenant).await
    }
}

impl Followed {
    /// See [`Ledger::epoch`].
    pub async fn epoch(&self, follower: &str, tenant: Uuid) -> Result<i64, Error> {
        epoch(&self.pool, follower, tenant).await
    }

    /// See [`Ledger::heads`].
    pub async fn heads(&self, chains: &[Chain]) -> Result<Vec<Head>, Error> {
        heads(&self.pool, chains).await
    }

    /// Where a follower is in the chains of a tenant, in order. A chain that it never worked on is left out.
    pub async fn cursors(&self, follower: &str, tenant: Uuid) -> Result<Vec<Cursor>, Error> {
        of_tenant(&self.pool, follower, tenant).await
    }

    /// Moves cursors, never back; one statement. `epoch` is of [`super::Behind`]: where the cursors
    /// of a tenant were set back since, its cursors stay as they are. Repeating it changes nothing.
    pub async fn advance(&self, follower: &str, cursors: &[(Cursor, i64)]) -> Result<(), Error> {
        let tenants: Vec<Uuid> = cursors.iter().map(|(cursor, _)| cursor.tenant).collect();
        let partitions: Vec<&str> = cursors.iter().map(|(c, _)| &*c.partition).collect();
        let generations: Vec<i32> = cursors
            .iter()
            .map(|(cursor, _)| cursor.generation.cast_signed())
            .collect();
        let nexts: Vec<i64> = cursors
            .iter()
            .map(|(cursor, _)| cursor.next.cast_signed())
            .collect();
        let times: Vec<OffsetDateTime> = cursors
            .iter()
            .map(|(cursor, _)| to_time(cursor.received_at))
            .collect();
        let epochs: Vec<i64> = cursors.iter().map(|(_, epoch)| *epoch).collect();
        // In key order, so that two that advance at once wait for each other and never both.
        sqlx::query!(
            "insert into ledger.cursors as k (follower, tenant, partition, generation, next, received_at)
             select $1, q.tenant, q.partition, q.generation, q.next, q.received_at
               from unnest($2::uuid[], $3::text[], $4::int4[], $5::int8[], $6::timestamptz[], $7::int8[])
                    q (tenant, partition, generation, next, received_at, epoch)
               left join ledger.fences f on f.follower = $1 and f.tenant = q.tenant
              where coalesce(f.epoch, 0) = q.epoch
              order by q.tenant, q.partition, q.generation
             on conflict (follower, tenant, partition, generation)
               do update set next = excluded.next, received_at = excluded.received_at
                where k.next < excluded.next",
            follower,
            &tenants,
            &partitions as &[&str],
            &generations,
            &nexts,
            &times,
            &epochs,
        )
        .execute(&self.pool)
        .await
        .map_err(Error::from_sqlx)?;
        Ok(())
    }
}

impl Cursor {
    /// Where a follower begins.
    pub fn first(chain: &Chain, generation: u32) -> Self {
        Self {
            tenant: chain.tenant,
            partition: chain.partition.clone(),
            generation,
            next: 0,
            received_at: Timestamp::FIRST,
        }
    }
}
