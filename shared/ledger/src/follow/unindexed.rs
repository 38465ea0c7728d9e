//! What the search index does not have, and why.

use sqlx::PgConnection;
use uuid::Uuid;

use super::Followed;
use crate::Error;

/// An entry that the index does not have and will not get by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unindexed {
    pub tenant: Uuid,
    pub partition: String,
    pub generation: u32,
    pub seq: u64,
    /// What the index or the reader of the row said. Never quotes a personal part.
    pub reason: String,
}

/// Longer reasons are cut.
const REASON_BYTES: usize = 1_000;

impl Followed {
    /// Notes entries; the reason of one that is there already is replaced. One statement.
    pub async fn note_unindexed(&self, entries: &[Unindexed]) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut entries: Vec<&Unindexed> = entries.iter().collect();
        entries.sort_by_key(|e| (e.tenant, &*e.partition, e.generation, e.seq));
        entries.dedup_by_key(|e| (e.tenant, &*e.partition, e.generation, e.seq));
        let tenants: Vec<Uuid> = entries.iter().map(|entry| entry.tenant).collect();
        let partitions: Vec<&str> = entries.iter().map(|entry| &*entry.partition).collect();
        let generations: Vec<i32> = entries.iter().map(|e| e.generation.cast_signed()).collect();
        let seqs: Vec<i64> = entries.iter().map(|e| e.seq.cast_signed()).collect();
        let reasons: Vec<String> = entries.iter().map(|entry| cut(&entry.reason)).collect();
        sqlx::query!(
            "insert into ledger.unindexed (tenant, partition, generation, seq, reason)
             select * from unnest($1::uuid[], $2::text[], $3::int4[], $4::int8[], $5::text[])
             on conflict (tenant, partition, generation, seq)
               do update set reason = excluded.reason, noted_at = excluded.noted_at",
            &tenants,
            &partitions as &[&str],
            &generations,
            &seqs,
            &reasons,
        )
        .execute(&self.pool)
        .await
        .map_err(Error::from_sqlx)?;
        Ok(())
    }

    /// What is noted of a tenant, in key order, at most `rows`.
    pub async fn unindexed(&self, tenant: Uuid, rows: u32) -> Result<Vec<Unindexed>, Error> {
        let rows = sqlx::query!(
            "select partition, generation, seq, reason from ledger.unindexed
              where tenant = $1 order by partition, generation, seq limit $2",
            tenant,
            i64::from(rows),
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Error::from_sqlx)?;
        let rows = rows.into_iter().map(|row| Unindexed {
            tenant,
            partition: row.partition,
            generation: row.generation.cast_unsigned(),
            seq: row.seq.cast_unsigned(),
            reason: row.reason,
        });
        Ok(rows.collect())
    }
}

/// Forgets what is noted of a tenant, but for these entries: whatever else it was about, there is a younger index.
pub(super) async fn forget_others(
    connection: &mut PgConnection,
    tenant: Uuid,
    kept: &[Unindexed],
) -> Result<(), Error> {
    let partitions: Vec<&str> = kept.iter().map(|entry| &*entry.partition).collect();
    let generations: Vec<i32> = kept.iter().map(|e| e.generation.cast_signed()).collect();
    let seqs: Vec<i64> = kept.iter().map(|e| e.seq.cast_signed()).collect();
    sqlx::query!(
        "delete from ledger.unindexed u
          where u.tenant = $1
            and (u.partition, u.generation, u.seq) not in (select * from unnest($2::text[], $3::int4[], $4::int8[]))",
        tenant,
        &partitions as &[&str],
        &generations,
        &seqs,
    )
    .execute(connection)
    .await
    .map_err(Error::from_sqlx)?;
    Ok(())
}

/// PostgreSQL's text holds no NUL.
fn cut(reason: &str) -> String {
    let end = reason.floor_char_boundary(REASON_BYTES.min(reason.len()));
    reason[..end].replace('\0', "\u{fffd}")
}
