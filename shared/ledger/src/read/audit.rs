//! Reading everything that is stored, whatever its shape, for whoever checks it. Judges nothing.

use time::OffsetDateTime;
use uuid::Uuid;

use super::entries::{bytes, count};
use super::view::begin;
use super::{Audit, AuditHead, AuditPage, AuditRow, IdRow, Limit};
use crate::rows::{Row, decode_hash, place, to_time};
use crate::{Error, Ledger, Tenant};

/// A line of the page as the statement gives it: the chain's row on each, an entry's on all but an
/// empty page's.
struct Line {
    head_generation: Option<i32>,
    head_size: Option<i64>,
    head_hash: Option<Vec<u8>>,
    head_received_at: Option<OffsetDateTime>,
    generation: Option<i32>,
    seq: Option<i64>,
    received_at: Option<OffsetDateTime>,
    id: Option<Uuid>,
    salt: Option<Vec<u8>>,
    hash: Option<Vec<u8>>,
    event: Option<String>,
    parts: Option<String>,
    residue: Option<String>,
    before: Option<Vec<u8>>,
    before_generation: Option<i32>,
    id_partition: Option<String>,
    id_generation: Option<i32>,
    id_seq: Option<i64>,
    id_received_at: Option<OffsetDateTime>,
    there: i64,
}

impl Line {
    fn head(&self, partition: &str) -> Result<Option<AuditHead>, Error> {
        let (Some(generation), Some(size), Some(hash), Some(received_at)) = (
            self.head_generation,
            self.head_size,
            &self.head_hash,
            self.head_received_at,
        ) else {
            return Ok(None);
        };
        let damaged = |what| damaged(partition, size, what);
        let (generation, size, received_at) =
            place(generation, size, received_at).ok_or_else(|| damaged("row of the chain"))?;
        Ok(Some(AuditHead {
            generation,
            size,
            hash: decode_hash(hash).map_err(|_| damaged("hash of the chain"))?,
            // Of an empty chain it is the earliest time; any other would be taken over by its first entry.
            received_at: (size > 0 || received_at != chain::Timestamp::FIRST)
                .then_some(received_at),
        }))
    }

    fn indexed(&self, partition: &str) -> Result<Option<IdRow>, Error> {
        let (Some(id), Some(in_partition), Some(generation), Some(seq), Some(received_at)) = (
            self.id,
            &self.id_partition,
            self.id_generation,
            self.id_seq,
            self.id_received_at,
        ) else {
            return Ok(None);
        };
        let (generation, seq, received_at) = place(generation, seq, received_at)
            .ok_or_else(|| damaged(partition, seq, "row of the id table"))?;
        Ok(Some(IdRow {
            id,
            partition: in_partition.clone(),
            generation,
            seq,
            received_at,
        }))
    }

    /// The entry's row, and whether it begins its generation.
    fn entry(self, partition: &str) -> Option<(Row, bool)> {
        let generation = self.generation?;
        let first = self.before_generation != Some(generation);
        let row = Row {
            partition: partition.to_owned(),
            generation,
            seq: self.seq?,
            received_at: self.received_at?,
            id: self.id?,
            salt: self.salt,
            hash: self.hash?,
            event: self.event?,
            parts: self.parts,
            residue: self.residue,
            previous: self.before.filter(|_| !first),
        };
        Some((row, first))
    }
}

fn damaged(partition: &str, seq: i64, what: &'static str) -> Error {
    Error::Damaged {
        partition: partition.to_owned(),
        seq,
        what,
    }
}

impl Ledger {
    /// One page of everything that is stored of a partition, whatever its shape: rows outside the
    /// chain's range and several rows for one seq included, each with its row of the id table.
    pub async fn audit(
        &self,
        tenant: &Tenant,
        partition: &str,
        after: Option<&Audit>,
        limit: Limit,
    ) -> Result<AuditPage, Error> {
        let (generation, seq, received_at) = after
            .map_or((i32::MIN, i64::MIN, OffsetDateTime::UNIX_EPOCH), |after| {
                (after.generation, after.seq, to_time(after.received_at))
            });
        let rows = count(limit.rows);
        let mut transaction = begin(self, tenant).await?;
        let lines = sqlx::query_file_as!(
            Line,
            "src/read/audit.sql",
            tenant.id,
            partition,
            generation,
            seq,
            received_at,
            // One more than asked for tells whether there is a next page.
            rows + 1,
            bytes(limit.bytes)
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(Error::from_sqlx)?;
        drop(transaction);
        let mut page = AuditPage {
            head: None,
            rows: Vec::new(),
            next: None,
        };
        let there = lines.first().map_or(0, |line| line.there);
        for line in lines.into_iter().take(limit.rows.max(1) as usize) {
            page.head = line.head(partition)?;
            let indexed = line.indexed(partition)?;
            let Some((row, first)) = line.entry(partition) else {
                continue;
            };
            let (generation, seq) = (row.generation, row.seq);
            let stored = row.into_stored(tenant, &self.shared.origin, first)?;
            page.next = Some(Audit {
                generation,
                seq,
                received_at: stored.received_at,
            });
            page.rows.push(AuditRow { stored, indexed });
        }
        if i64::try_from(page.rows.len()).is_ok_and(|given| given >= there) {
            page.next = None;
        }
        Ok(page)
    }

    /// Rows of the id table, in id order after `after`, that do not point at an entry with that id,
    /// and the id to go on from (`None` at the end).
    pub async fn audit_ids(
        &self,
        tenant: &Tenant,
        after: Option<Uuid>,
        rows: u32,
    ) -> Result<(Vec<IdRow>, Option<Uuid>), Error> {
        let mut transaction = begin(self, tenant).await?;
        let page = sqlx::query!(
            r#"select i.id as "id!", i.partition as "partition!", i.generation as "generation!", i.seq as "seq!",
                      i.received_at as "received_at!", e.there is not null as "there!"
                 from (
                   select * from ledger.tenant_entry_ids i
                    where i.tenant = $1 and ($2::uuid is null or i.id > $2) order by i.id limit $3
                 ) i
                 left join lateral (
                   select true as there from ledger.tenant_entries e
                    where e.tenant = $1 and e.partition = i.partition and e.generation = i.generation
                      and e.seq = i.seq and e.received_at = i.received_at and e.id = i.id
                   offset 0
                 ) e on true
                order by i.id"#,
            tenant.id,
            after,
            count(rows)
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(Error::from_sqlx)?;
        drop(transaction);
        let more = page.len() >= rows.max(1) as usize;
        let next = page.last().map(|row| row.id).filter(|_| more);
        let mut astray = Vec::new();
        for row in page.into_iter().filter(|row| !row.there) {
            let place = place(row.generation, row.seq, row.received_at);
            let (generation, seq, received_at) = place.ok_or_else(|| Error::Damaged {
                partition: row.partition.clone(),
                seq: row.seq,
                what: "row of the id table",
            })?;
            astray.push(IdRow {
                id: row.id,
                partition: row.partition,
                generation,
                seq,
                received_at,
            });
        }
        Ok((astray, next))
    }
}
