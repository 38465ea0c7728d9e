//! What grows right now, over the chains of many tenants at once: their heads, and the entries that
//! came. For a tailer, which hands each entry to readers of its own tenant alone: what is asked for
//! and what is answered name the tenant each time. It never decides who may see what.

use chain::{Hash, Stored, Timestamp};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Limit;
use super::entries::{bytes, count, seq};
use crate::rows::{Row, decode_hash, place, to_time};
use crate::{Error, Ledger, Tenant};

/// A chain's head, whosever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantHead {
    pub tenant: Uuid,
    pub partition: String,
    pub generation: u32,
    /// Number of entries; the last one has seq `size - 1`.
    pub size: u64,
    /// The last entry's hash, or the chain's genesis hash while `size` is 0.
    pub hash: Hash,
    /// When the last entry was received; `None` while `size` is 0.
    pub received_at: Option<Timestamp>,
}

/// Seqs `from..to` of a chain, right behind what was read before.
#[derive(Clone, Copy, Debug)]
pub struct Growth<'a> {
    pub tenant: &'a Tenant,
    pub partition: &'a str,
    pub generation: u32,
    pub from: u64,
    pub to: u64,
    /// When the entry before `from` was received: nothing that follows is older.
    pub since: Option<Timestamp>,
    /// The hash of the entry before `from`; `None` at 0, and where it is not known.
    pub previous: Option<Hash>,
}

/// An entry of the chain that was asked for as the `nth`.
#[derive(Debug)]
pub struct Grown {
    pub nth: usize,
    pub seq: u64,
    /// [`Error::Damaged`] where the row is none that we wrote; the rows around it are not affected.
    pub entry: Result<Stored, Error>,
}

impl Ledger {
    /// The heads of all chains of `tenants` and of the named chains, in no order. What has no head
    /// (yet) is left out.
    pub async fn heads_of(
        &self,
        tenants: &[Uuid],
        chains: &[(Uuid, &str)],
    ) -> Result<Vec<TenantHead>, Error> {
        let (of, names): (Vec<Uuid>, Vec<&str>) = chains.iter().copied().unzip();
        let rows = sqlx::query_file!("src/read/heads.sql", tenants, &of, &names as &[&str])
            .fetch_all(&self.shared.tailers)
            .await
            .map_err(Error::from_sqlx)?;
        let heads = rows.into_iter().filter_map(|row| {
            let (generation, size, received_at) = place(row.generation, row.size, row.received_at)?;
            Some(TenantHead {
                tenant: row.tenant,
                generation,
                size,
                hash: decode_hash(&row.hash).ok()?,
                received_at: (size > 0).then_some(received_at),
                partition: row.partition,
            })
        });
        Ok(heads.collect())
    }

    /// The entries of several chains, in the order of `chains` and of seq; `limit` is each chain's.
    /// An entry that is not there any more is left out, and `previous` of the one after it is zero.
    pub async fn grown(&self, chains: &[Growth<'_>], limit: Limit) -> Result<Vec<Grown>, Error> {
        let tenants: Vec<Uuid> = chains.iter().map(|chain| chain.tenant.id).collect();
        let partitions: Vec<&str> = chains.iter().map(|chain| chain.partition).collect();
        let generations: Vec<i32> = chains
            .iter()
            .map(|chain| chain.generation.cast_signed())
            .collect();
        let first: Vec<i64> = chains.iter().map(|chain| seq(chain.from)).collect();
        let beyond: Vec<i64> = chains.iter().map(|chain| seq(chain.to)).collect();
        let since: Vec<OffsetDateTime> = chains
            .iter()
            .map(|chain| to_time(chain.since.unwrap_or(Timestamp::FIRST)))
            .collect();
        let rows = sqlx::query_file!(
            "src/read/tail.sql",
            &tenants,
            &partitions as &[&str],
            &generations,
            &first,
            &beyond,
            &since,
            count(limit.rows),
            bytes(limit.bytes),
        )
        .fetch_all(&self.shared.tailers)
        .await
        .map_err(Error::from_sqlx)?;
        let mut before: Option<(usize, u64, Vec<u8>)> = None;
        let mut grown = Vec::with_capacity(rows.len());
        for row in rows {
            let nth = usize::try_from(row.nth - 1).unwrap_or_default();
            let (Some(chain), Ok(seq)) = (chains.get(nth), u64::try_from(row.seq)) else {
                continue;
            };
            let previous = match &before {
                Some((of, last, hash)) if *of == nth && last + 1 == seq => Some(hash.clone()),
                _ if seq == chain.from => chain.previous.map(|hash| hash.0.to_vec()),
                _ => None,
            };
            before = Some((nth, seq, row.hash.clone()));
            let row = Row {
                partition: chain.partition.to_owned(),
                generation: chain.generation.cast_signed(),
                seq: row.seq,
                received_at: row.received_at,
                id: row.id,
                salt: row.salt,
                hash: row.hash,
                event: row.event,
                parts: row.parts,
                residue: row.residue,
                previous,
            };
            let entry = row.into_stored(chain.tenant, &self.shared.origin, seq == 0);
            grown.push(Grown { nth, seq, entry });
        }
        Ok(grown)
    }
}
