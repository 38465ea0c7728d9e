//! The entries that chains have grown by.

use chain::{Hash, Stored, Timestamp};
use futures_util::TryStreamExt as _;
use sqlx::postgres::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Tail;
use crate::read::Limit;
use crate::read::entries::{bytes, count, seq};
use crate::rows::{Row, decode_hash, to_time};
use crate::{Error, Tenant};

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

impl Tail {
    /// The entries of several chains, in the order of `chains` and of seq; `limit` is each chain's. A chain
    /// that has more than what comes of it is asked again, from behind that. An entry that is not there any
    /// more is left out, and `previous` of the one after it is zero.
    pub async fn grown(
        &mut self,
        chains: &[Growth<'_>],
        limit: Limit,
    ) -> Result<Vec<Grown>, Error> {
        let mut connection = self.connected().await?;
        let mut page = Page::new(chains, &self.ledger.shared.origin, limit);
        small(&mut connection, &mut page, limit).await?;
        // An entry that is larger than its share, or one that is missing.
        let others = page.without_entries();
        if !others.is_empty() {
            any(&mut connection, &mut page, &others, limit).await?;
        }
        let grown = page.in_order();
        self.keep(connection);
        Ok(grown)
    }
}

/// Entries right behind `from` that have no more text than each one's share of the page.
async fn small(
    connection: &mut PgConnection,
    page: &mut Page<'_>,
    limit: Limit,
) -> Result<(), Error> {
    let rows = u64::from(limit.rows.max(1));
    let all: Vec<usize> = (0..page.chains.len()).collect();
    let asked = Asked::new(page.chains, &all, |chain| chain.to.min(chain.from + rows));
    let mut found = sqlx::query_file_as!(
        Found,
        "src/read/tail/grown.sql",
        &asked.tenants,
        &asked.partitions as &[&str],
        &asked.generations,
        &asked.first,
        &asked.beyond,
        &asked.since,
        bytes(limit.bytes / rows),
    )
    .fetch(connection);
    while let Some(found) = found.try_next().await.map_err(Error::from_sqlx)? {
        let nth = usize::try_from(found.nth - 1).ok();
        let Some(nth) = nth.filter(|nth| page.is_next(*nth, found.seq)) else {
            continue;
        };
        page.put(nth, found);
    }
    Ok(())
}

/// Entries of any size, of these chains.
async fn any(
    connection: &mut PgConnection,
    page: &mut Page<'_>,
    which: &[usize],
    limit: Limit,
) -> Result<(), Error> {
    let asked = Asked::new(page.chains, which, |chain| chain.to);
    let found = sqlx::query_file_as!(
        Found,
        "src/read/tail/grown_large.sql",
        &asked.tenants,
        &asked.partitions as &[&str],
        &asked.generations,
        &asked.first,
        &asked.beyond,
        &asked.since,
        count(limit.rows),
        bytes(limit.bytes),
    )
    .fetch_all(connection)
    .await;
    let mut found = found.map_err(Error::from_sqlx)?;
    // They are in that order already, which no statement without an `order by` promises.
    found.sort_by_key(|found| (found.nth, found.seq));
    for found in found {
        let nth = usize::try_from(found.nth - 1).ok();
        if let Some(&nth) = nth.and_then(|nth| which.get(nth)) {
            page.put(nth, found);
        }
    }
    Ok(())
}

/// A row of the `nth` of the chains that were asked for, from 1.
struct Found {
    nth: i64,
    seq: i64,
    received_at: OffsetDateTime,
    id: Uuid,
    salt: Option<Vec<u8>>,
    hash: Vec<u8>,
    event: String,
    parts: Option<String>,
    residue: Option<String>,
}

/// What was found.
struct Page<'a> {
    chains: &'a [Growth<'a>],
    origin: &'a str,
    /// Of each chain.
    ends: Vec<End>,
    grown: Vec<Grown>,
}

/// Up to where there are entries of a chain.
struct End {
    next: i64,
    /// Of the entry before `next`, where it is known.
    hash: Option<Hash>,
}

impl<'a> Page<'a> {
    fn new(chains: &'a [Growth<'a>], origin: &'a str, limit: Limit) -> Self {
        let rows = u64::from(limit.rows);
        let expected: u64 = chains
            .iter()
            .map(|chain| chain.to.saturating_sub(chain.from).min(rows))
            .sum();
        let ends = chains.iter().map(|chain| End {
            next: seq(chain.from),
            hash: chain.previous,
        });
        Self {
            chains,
            origin,
            ends: ends.collect(),
            grown: Vec::with_capacity(usize::try_from(expected).unwrap_or_default()),
        }
    }

    /// Whether it continues what there is of the chain.
    fn is_next(&self, nth: usize, seq: i64) -> bool {
        self.ends.get(nth).is_some_and(|end| end.next == seq)
    }

    /// An entry behind all that there are of its chain.
    fn put(&mut self, nth: usize, found: Found) {
        let (chain, end) = (&self.chains[nth], &mut self.ends[nth]);
        let Ok(seq) = u64::try_from(found.seq) else {
            return;
        };
        let previous = end.hash.filter(|_| end.next == found.seq);
        *end = End {
            next: found.seq + 1,
            hash: decode_hash(&found.hash).ok(),
        };
        let row = Row {
            partition: chain.partition.to_owned(),
            generation: chain.generation.cast_signed(),
            seq: found.seq,
            received_at: found.received_at,
            id: found.id,
            salt: found.salt,
            hash: found.hash,
            event: found.event,
            parts: found.parts,
            residue: found.residue,
            previous: None,
        };
        let entry = row.into_stored_behind(previous, chain.tenant, self.origin, seq == 0);
        self.grown.push(Grown { nth, seq, entry });
    }

    fn without_entries(&self) -> Vec<usize> {
        let ends = self.ends.iter().zip(self.chains).enumerate();
        ends.filter(|(_, (end, chain))| end.next == seq(chain.from))
            .map(|(nth, _)| nth)
            .collect()
    }

    fn in_order(self) -> Vec<Grown> {
        let mut grown = self.grown;
        grown.sort_by_key(|grown| grown.nth);
        grown
    }
}

/// Chains as a statement is given them.
struct Asked<'a> {
    tenants: Vec<Uuid>,
    partitions: Vec<&'a str>,
    generations: Vec<i32>,
    first: Vec<i64>,
    beyond: Vec<i64>,
    since: Vec<OffsetDateTime>,
}

impl<'a> Asked<'a> {
    fn new(chains: &[Growth<'a>], which: &[usize], beyond: impl Fn(&Growth<'a>) -> u64) -> Self {
        fn each<'a, T>(
            chains: &[Growth<'a>],
            which: &[usize],
            of: impl Fn(&Growth<'a>) -> T,
        ) -> Vec<T> {
            which.iter().map(|nth| of(&chains[*nth])).collect()
        }
        Self {
            tenants: each(chains, which, |chain| chain.tenant.id),
            partitions: each(chains, which, |chain| chain.partition),
            generations: each(chains, which, |chain| chain.generation.cast_signed()),
            first: each(chains, which, |chain| seq(chain.from)),
            beyond: each(chains, which, |chain| seq(beyond(chain))),
            since: each(chains, which, |chain| {
                to_time(chain.since.unwrap_or(Timestamp::FIRST))
            }),
        }
    }
}
