//! Entries from a cursor on: each page one short statement by key range, nothing held between pages.

use super::{Cursor, Followed, Read};
use crate::rows::{from_time, to_time};
use crate::{Error, Limit};

impl Followed {
    /// Entries `cursor.next..to` in order of seq, as many as the limit allows and one at least.
    /// A seq that is missing has no row, and one of a changed database may have two.
    pub async fn entries(
        &self,
        cursor: &Cursor,
        to: u64,
        limit: Limit,
    ) -> Result<Vec<Read>, Error> {
        let rows = sqlx::query_file!(
            "src/follow/entries.sql",
            cursor.tenant,
            cursor.partition,
            cursor.generation.cast_signed(),
            i64::try_from(cursor.next).unwrap_or(i64::MAX),
            i64::try_from(to).unwrap_or(i64::MAX),
            to_time(cursor.received_at),
            i64::from(limit.rows.max(1)),
            i64::try_from(limit.bytes.max(1)).unwrap_or(i64::MAX),
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Error::from_sqlx)?;
        let rows = rows.into_iter().map(|row| Read {
            // The range above leaves no negative one.
            seq: row.seq.cast_unsigned(),
            received_at: row.received_at.and_then(|at| from_time(at).ok()),
            id: row.id,
            event: row.event,
            parts: row.parts,
            residue: row.residue,
        });
        Ok(rows.collect())
    }
}
