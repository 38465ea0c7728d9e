//! Which chains a follower has to work on. Never the work itself.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Behind, Chain, Cursor, Followed};
use crate::Error;
use crate::rows::{from_time, place};

/// A line of `behind.sql` and `due.sql`.
struct Row {
    tenant: Uuid,
    partition: String,
    generation: i32,
    next: i64,
    received_at: OffsetDateTime,
    size: i64,
    since: OffsetDateTime,
    epoch: i64,
    held: bool,
    last: bool,
}

impl Row {
    fn into_behind(self) -> Result<Behind, Error> {
        let damaged = |what| Error::Damaged {
            partition: self.partition.clone(),
            seq: self.next,
            what,
        };
        let place = place(self.generation, self.next, self.received_at);
        let (generation, next, received_at) = place.ok_or_else(|| damaged("cursor"))?;
        Ok(Behind {
            size: u64::try_from(self.size).map_err(|_| damaged("size of the chain"))?,
            since: from_time(self.since).map_err(|_| damaged("time of the chain"))?,
            epoch: self.epoch,
            held: self.held,
            cursor: Cursor {
                tenant: self.tenant,
                partition: self.partition,
                generation,
                next,
                received_at,
            },
        })
    }
}

impl Followed {
    /// Chains that a follower is behind in, in key order after `after`, out of the next `chains`
    /// chains; and where to go on, `None` at the end. Old generations of a chain count as chains.
    pub async fn behind(
        &self,
        follower: &str,
        after: Option<&Chain>,
        chains: u32,
    ) -> Result<(Vec<Behind>, Option<Chain>), Error> {
        let (tenant, partition) =
            after.map_or((Uuid::nil(), ""), |chain| (chain.tenant, &chain.partition));
        let rows = sqlx::query_file_as!(
            Row,
            "src/follow/behind.sql",
            follower,
            tenant,
            partition,
            i64::from(chains.max(1)),
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Error::from_sqlx)?;
        let mut behind = Vec::new();
        let mut next = None;
        for row in rows {
            if row.last {
                next = Some(Chain {
                    tenant: row.tenant,
                    partition: row.partition.clone(),
                });
            }
            if row.next < row.size {
                behind.push(row.into_behind()?);
            }
        }
        Ok((behind, next))
    }

    /// What a follower has to do in one chain: oldest generation first, empty when it is done.
    pub async fn due(&self, follower: &str, chain: &Chain) -> Result<Vec<Behind>, Error> {
        let rows = sqlx::query_file_as!(
            Row,
            "src/follow/due.sql",
            follower,
            chain.tenant,
            &chain.partition,
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Error::from_sqlx)?;
        rows.into_iter().map(Row::into_behind).collect()
    }
}
