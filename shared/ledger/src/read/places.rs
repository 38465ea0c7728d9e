//! Entries at places that somebody else found. What is not there is left out: whoever pointed to it is
//! not believed.

use chain::{Stored, Timestamp};
use time::OffsetDateTime;

use super::entries::{begin, bytes, seq};
use crate::rows::{Row, to_time};
use crate::{Error, Ledger, Tenant};

/// Where an entry is said to be. The time lets the database skip chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub partition: String,
    pub generation: u32,
    pub seq: u64,
    pub received_at: Timestamp,
}

impl Ledger {
    /// The entries at the first of these places, in their order, and how many places that is: all of
    /// them, or as many as have `limit` bytes of text, at least one.
    pub async fn at(
        &self,
        tenant: &Tenant,
        places: &[Place],
        limit: u64,
    ) -> Result<(Vec<Stored>, usize), Error> {
        let partitions: Vec<&str> = places.iter().map(|p| p.partition.as_str()).collect();
        let generations: Vec<i32> = places.iter().map(|p| p.generation.cast_signed()).collect();
        let seqs: Vec<i64> = places.iter().map(|place| seq(place.seq)).collect();
        let times: Vec<OffsetDateTime> = places.iter().map(|p| to_time(p.received_at)).collect();
        let mut transaction = begin(self, tenant).await?;
        let rows = sqlx::query_file!(
            "src/read/places.sql",
            tenant.id,
            &partitions as &[&str],
            &generations,
            &seqs,
            &times,
            bytes(limit)
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(Error::from_sqlx)?;
        drop(transaction);
        let covered = match rows.last() {
            Some(last) if i64::try_from(rows.len()) != Ok(last.there) => {
                usize::try_from(last.n).unwrap_or(places.len())
            }
            _ => places.len(),
        };
        let entries = rows.into_iter().map(|row| {
            let row = Row {
                partition: row.partition,
                generation: row.generation,
                seq: row.seq,
                received_at: row.received_at,
                id: row.id,
                salt: row.salt,
                hash: row.hash,
                event: row.event,
                parts: row.parts,
                residue: row.residue,
                previous: row.previous,
            };
            self.stored(tenant, row)
        });
        Ok((entries.collect::<Result<_, _>>()?, covered))
    }
}
