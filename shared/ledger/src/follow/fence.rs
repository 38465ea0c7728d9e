//! Setting cursors back, for whoever builds anew what a follower has built. A follower at work
//! meanwhile cannot move a cursor past it, and of two who do it at once the one who was first cannot
//! set them any more.

use std::time::Duration;

use sqlx::{PgConnection, Postgres, Transaction};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Cursor, Followed, Unindexed, unindexed};
use crate::Error;
use crate::rows::to_time;

/// A tenant whose cursors are held; it counts until somebody else holds them.
#[derive(Clone, Debug)]
pub struct Hold {
    tenant: Uuid,
    followers: Vec<String>,
    /// In the order of the followers.
    epochs: Vec<i64>,
}

/// Cursors of one tenant as a statement takes them.
struct Columns<'c> {
    partitions: Vec<&'c str>,
    generations: Vec<i32>,
    nexts: Vec<i64>,
    times: Vec<OffsetDateTime>,
}

impl<'c> Columns<'c> {
    fn of(cursors: &'c [Cursor]) -> Self {
        Self {
            partitions: cursors.iter().map(|c| &*c.partition).collect(),
            generations: cursors.iter().map(|c| c.generation.cast_signed()).collect(),
            nexts: cursors.iter().map(|c| c.next.cast_signed()).collect(),
            times: cursors.iter().map(|c| to_time(c.received_at)).collect(),
        }
    }
}

impl Followed {
    /// Sets the cursors of a tenant back to `cursors` (and to the beginning where there is none), for all
    /// the followers named, and holds their work up for `lasting`. A cursor that is behind stays where it is, so that
    /// they fit what was built before as well as what is to take its place. In one transaction. A crash
    /// after it costs nothing but work done twice: the hold ends by itself.
    pub async fn hold(
        &self,
        followers: &[&str],
        tenant: Uuid,
        cursors: &[Cursor],
        lasting: Duration,
    ) -> Result<Hold, Error> {
        let mut transaction = self.begin().await?;
        let fences = sqlx::query!(
            "insert into ledger.fences as f (follower, tenant, epoch, held_until)
             select follower, $2, 1, now() + make_interval(secs => $3) from unnest($1::text[]) follower
             on conflict (follower, tenant)
               do update set epoch = f.epoch + 1, held_until = excluded.held_until
             returning follower, epoch",
            followers as &[&str],
            tenant,
            lasting.as_secs_f64(),
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(Error::from_sqlx)?;
        let (followers, epochs) = fences
            .into_iter()
            .map(|row| (row.follower, row.epoch))
            .unzip();
        let hold = Hold {
            tenant,
            followers,
            epochs,
        };
        hold.set_back(&mut transaction, cursors).await?;
        transaction.commit().await.map_err(Error::from_sqlx)?;
        Ok(hold)
    }

    /// Makes a hold last from now on. `false`: it has ended, or somebody else holds the cursors.
    pub async fn extend(&self, hold: &Hold, lasting: Duration) -> Result<bool, Error> {
        let mut transaction = self.begin().await?;
        let extended = sqlx::query!(
            "update ledger.fences f set held_until = now() + make_interval(secs => $4)
               from unnest($2::text[], $3::int8[]) q (follower, epoch)
              where f.tenant = $1 and f.follower = q.follower and f.epoch = q.epoch and f.held_until > now()",
            hold.tenant,
            &hold.followers,
            &hold.epochs,
            lasting.as_secs_f64(),
        )
        .execute(&mut *transaction)
        .await
        .map_err(Error::from_sqlx)?;
        transaction.commit().await.map_err(Error::from_sqlx)?;
        Ok(extended.rows_affected() == hold.epochs.len() as u64)
    }

    /// Ends a hold: the cursors are `cursors` from now on, wherever they were, and of what is noted not to be indexed
    /// `unindexed` alone stays. In one transaction. `false`, and nothing is changed: somebody else has held them since.
    pub async fn release(
        &self,
        hold: &Hold,
        cursors: &[Cursor],
        unindexed: &[Unindexed],
    ) -> Result<bool, Error> {
        let mut transaction = self.begin().await?;
        // Whoever read a cursor under the hold cannot move it either.
        let released = sqlx::query!(
            "update ledger.fences f set epoch = f.epoch + 1, held_until = now()
               from unnest($2::text[], $3::int8[]) q (follower, epoch)
              where f.tenant = $1 and f.follower = q.follower and f.epoch = q.epoch",
            hold.tenant,
            &hold.followers,
            &hold.epochs,
        )
        .execute(&mut *transaction)
        .await
        .map_err(Error::from_sqlx)?;
        if released.rows_affected() != hold.epochs.len() as u64 {
            transaction.rollback().await.map_err(Error::from_sqlx)?;
            return Ok(false);
        }
        hold.set(&mut transaction, cursors).await?;
        unindexed::forget_others(&mut transaction, hold.tenant, unindexed).await?;
        transaction.commit().await.map_err(Error::from_sqlx)?;
        Ok(true)
    }

    /// A transaction that waits for whoever moves or holds a cursor now; whoever comes later sees the new epoch.
    async fn begin(&self) -> Result<Transaction<'static, Postgres>, Error> {
        let mut transaction = self.pool.begin().await.map_err(Error::from_sqlx)?;
        sqlx::query!("lock table ledger.cursors in share row exclusive mode")
            .execute(&mut *transaction)
            .await
            .map_err(Error::from_sqlx)?;
        Ok(transaction)
    }
}

impl Hold {
    async fn set_back(
        &self,
        connection: &mut PgConnection,
        cursors: &[Cursor],
    ) -> Result<(), Error> {
        let to = Columns::of(cursors);
        sqlx::query!(
            "delete from ledger.cursors k
              where k.follower = any ($1) and k.tenant = $2
                and (k.partition, k.generation) not in (select * from unnest($3::text[], $4::int4[]))",
            &self.followers,
            self.tenant,
            &to.partitions as &[&str],
            &to.generations,
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::from_sqlx)?;
        sqlx::query!(
            "update ledger.cursors k set next = q.next, received_at = q.received_at
               from unnest($3::text[], $4::int4[], $5::int8[], $6::timestamptz[])
                    q (partition, generation, next, received_at)
              where k.follower = any ($1) and k.tenant = $2
                and k.partition = q.partition and k.generation = q.generation and k.next > q.next",
            &self.followers,
            self.tenant,
            &to.partitions as &[&str],
            &to.generations,
            &to.nexts,
            &to.times,
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::from_sqlx)?;
        Ok(())
    }

    async fn set(&self, connection: &mut PgConnection, cursors: &[Cursor]) -> Result<(), Error> {
        let to = Columns::of(cursors);
        sqlx::query!(
            "delete from ledger.cursors where follower = any ($1) and tenant = $2",
            &self.followers,
            self.tenant,
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::from_sqlx)?;
        sqlx::query!(
            "insert into ledger.cursors (follower, tenant, partition, generation, next, received_at)
             select follower, $2, q.partition, q.generation, q.next, q.received_at
               from unnest($1::text[]) follower
              cross join unnest($3::text[], $4::int4[], $5::int8[], $6::timestamptz[])
                         q (partition, generation, next, received_at)",
            &self.followers,
            self.tenant,
            &to.partitions as &[&str],
            &to.generations,
            &to.nexts,
            &to.times,
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::from_sqlx)?;
        Ok(())
    }
}
