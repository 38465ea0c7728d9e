//! Setting cursors back, for whoever builds anew what a follower has built. A follower at work
//! meanwhile cannot move a cursor past it.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Cursor, Followed};
use crate::Error;
use crate::rows::to_time;

impl Followed {
    /// Sets the cursors of a tenant to `cursors` (and to the beginning where there is none), for all
    /// the followers named, and holds their work up for `held`. In one transaction. A crash after it
    /// costs nothing but work done twice: the hold ends by itself.
    pub async fn rewind(
        &self,
        followers: &[&str],
        tenant: Uuid,
        cursors: &[Cursor],
        held: Duration,
    ) -> Result<(), Error> {
        let partitions: Vec<&str> = cursors.iter().map(|c| &*c.partition).collect();
        let generations: Vec<i32> = cursors.iter().map(|c| c.generation.cast_signed()).collect();
        let nexts: Vec<i64> = cursors.iter().map(|c| c.next.cast_signed()).collect();
        let times: Vec<OffsetDateTime> = cursors.iter().map(|c| to_time(c.received_at)).collect();
        let mut transaction = self.pool.begin().await.map_err(Error::from_sqlx)?;
        // Waits for whoever moves a cursor now; whoever comes later sees the new epoch.
        sqlx::query!("lock table ledger.cursors in share row exclusive mode")
            .execute(&mut *transaction)
            .await
            .map_err(Error::from_sqlx)?;
        sqlx::query!(
            "insert into ledger.fences as f (follower, tenant, epoch, held_until)
             select follower, $2, 1, now() + make_interval(secs => $3) from unnest($1::text[]) follower
             on conflict (follower, tenant)
               do update set epoch = f.epoch + 1, held_until = excluded.held_until",
            followers as &[&str],
            tenant,
            held.as_secs_f64(),
        )
        .execute(&mut *transaction)
        .await
        .map_err(Error::from_sqlx)?;
        sqlx::query!(
            "delete from ledger.cursors where follower = any ($1) and tenant = $2",
            followers as &[&str],
            tenant,
        )
        .execute(&mut *transaction)
        .await
        .map_err(Error::from_sqlx)?;
        sqlx::query!(
            "insert into ledger.cursors (follower, tenant, partition, generation, next, received_at)
             select follower, $2, q.partition, q.generation, q.next, q.received_at
               from unnest($1::text[]) follower
              cross join unnest($3::text[], $4::int4[], $5::int8[], $6::timestamptz[])
                         q (partition, generation, next, received_at)",
            followers as &[&str],
            tenant,
            &partitions as &[&str],
            &generations,
            &nexts,
            &times,
        )
        .execute(&mut *transaction)
        .await
        .map_err(Error::from_sqlx)?;
        transaction.commit().await.map_err(Error::from_sqlx)
    }
}
