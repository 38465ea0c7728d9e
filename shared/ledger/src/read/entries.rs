//! Reading entries: by id, by range, by time. Each page is one statement in a transaction of its own
//! that sees one tenant; nothing is held between pages.

use chain::Stored;
use time::OffsetDateTime;
use uuid::Uuid;

use super::view::begin;
use super::{Order, Range, Scan};
use crate::rows::{Row, to_time};
use crate::{Error, Ledger, Tenant};

pub(super) fn count(rows: u32) -> i64 {
    i64::from(rows.max(1))
}

pub(super) fn bytes(limit: u64) -> i64 {
    i64::try_from(limit.max(1)).unwrap_or(i64::MAX)
}

/// A seq as the column has it; what is beyond the column's range is beyond every chain.
pub(super) fn seq(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

impl Ledger {
    pub async fn by_id(&self, tenant: &Tenant, id: Uuid) -> Result<Option<Stored>, Error> {
        let mut transaction = begin(self, tenant).await?;
        let row = sqlx::query_as!(
            Row,
            r#"select e.partition as "partition!", e.generation as "generation!", e.seq as "seq!",
                      e.received_at as "received_at!", e.id as "id!", e.salt, e.hash as "hash!", e.event as "event!",
                      e.parts, e.residue, p.hash as "previous?"
                 from (select * from ledger.tenant_entry_ids i where i.tenant = $1 and i.id = $2 offset 0) i
                cross join lateral (
                   select * from ledger.tenant_entries e
                    where e.tenant = $1 and e.partition = i.partition and e.generation = i.generation
                      and e.seq = i.seq and e.received_at = i.received_at and e.id = $2
                   offset 0
                 ) e
                 left join lateral (
                   select p.hash from ledger.tenant_entries p
                    where p.tenant = $1 and p.partition = e.partition and p.generation = e.generation
                      and p.seq = e.seq - 1 and p.received_at <= e.received_at
                    order by p.received_at desc limit 1
                 ) p on true"#,
            tenant.id,
            id,
        )
        .fetch_optional(&mut *transaction)
        .await
        .map_err(Error::from_sqlx)?;
        drop(transaction);
        row.map(|row| self.stored(tenant, row)).transpose()
    }

    /// One page of a chain in key order. Empty for a partition that does not exist. `previous` of an
    /// entry whose predecessor is not there any more is all zeros.
    pub async fn range(
        &self,
        tenant: &Tenant,
        partition: &str,
        range: Range,
    ) -> Result<Vec<Stored>, Error> {
        let generation = range.generation.map(u32::cast_signed);
        let (from, to) = (seq(range.from), seq(range.to));
        let (rows, bytes) = (count(range.limit.rows), bytes(range.limit.bytes));
        let mut transaction = begin(self, tenant).await?;
        macro_rules! page {
            ($file:literal) => {
                sqlx::query_file!(
                    $file, tenant.id, partition, generation, from, to, rows, bytes
                )
                .map(|row| Row {
                    partition: partition.to_owned(),
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
                })
                .fetch_all(&mut *transaction)
                .await
            };
        }
        let rows = match range.order {
            Order::Ascending => page!("src/read/range_ascending.sql"),
            Order::Descending => page!("src/read/range_descending.sql"),
        };
        let rows = rows.map_err(Error::from_sqlx)?;
        drop(transaction);
        self.page(tenant, rows)
    }

    /// One page over several windows, ordered by (`received_at`, partition, generation, seq), names
    /// compared by their bytes. The next page is asked for with the windows narrowed by what was read:
    /// see [`Scan::consume`]. For times, begin with [`Ledger::windows`]; a wide window with narrow
    /// times reads everything in between.
    pub async fn by_time(&self, tenant: &Tenant, scan: &Scan) -> Result<Vec<Stored>, Error> {
        let windows = || scan.windows.iter().filter(|w| w.from < w.to);
        let partitions: Vec<&str> = windows().map(|w| w.partition.as_str()).collect();
        let generations: Vec<i32> = windows().map(|w| w.generation.cast_signed()).collect();
        let first: Vec<i64> = windows().map(|w| seq(w.from)).collect();
        let beyond: Vec<i64> = windows().map(|w| seq(w.to)).collect();
        let from: Option<OffsetDateTime> = scan.times.from.map(to_time);
        let to: Option<OffsetDateTime> = scan.times.to.map(to_time);
        let (rows, bytes) = (count(scan.limit.rows), bytes(scan.limit.bytes));
        let mut transaction = begin(self, tenant).await?;
        macro_rules! page {
            ($file:literal) => {
                sqlx::query_file_as!(
                    Row,
                    $file,
                    tenant.id,
                    &partitions as &[&str],
                    &generations,
                    &first,
                    &beyond,
                    from,
                    to,
                    rows,
                    bytes
                )
                .fetch_all(&mut *transaction)
                .await
            };
        }
        let rows = match scan.order {
            Order::Ascending => page!("src/read/scan_ascending.sql"),
            Order::Descending => page!("src/read/scan_descending.sql"),
        };
        let rows = rows.map_err(Error::from_sqlx)?;
        drop(transaction);
        self.page(tenant, rows)
    }

    fn page(&self, tenant: &Tenant, rows: Vec<Row>) -> Result<Vec<Stored>, Error> {
        rows.into_iter()
            .map(|row| self.stored(tenant, row))
            .collect()
    }

    pub(super) fn stored(&self, tenant: &Tenant, row: Row) -> Result<Stored, Error> {
        let first = row.seq == 0;
        row.into_stored(tenant, &self.shared.origin, first)
    }
}
