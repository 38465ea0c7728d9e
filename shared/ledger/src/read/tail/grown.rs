//! The entries that chains have grown by.

use chain::{Hash, Stored, Timestamp};
use sqlx::postgres::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Tail;
use crate::read::Limit;
use crate::read::entries::{bytes, count, seq};
use crate::rows::{Row, to_time};
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
        let all: Vec<usize> = (0..chains.len()).collect();
        let mut pages = small(&mut connection, chains, &all, limit).await?;
        // An entry that is larger than its share, or one that is missing.
        let others: Vec<usize> = all
            .into_iter()
            .filter(|nth| pages[*nth].is_empty())
            .collect();
        if !others.is_empty() {
            any(&mut connection, chains, &others, limit, &mut pages).await?;
        }
        self.keep(connection);
        let origin = &self.ledger.shared.origin;
        let grown = chains.iter().zip(pages).enumerate();
        let grown = grown.flat_map(|(nth, (chain, page))| stored(nth, chain, page, origin));
        Ok(grown.collect())
    }
}

/// Entries right behind `from` that have no more text than each one's share of the page.
async fn small(
    connection: &mut PgConnection,
    chains: &[Growth<'_>],
    all: &[usize],
    limit: Limit,
) -> Result<Vec<Vec<Row>>, Error> {
    let rows = u64::from(limit.rows.max(1));
    let asked = Asked::new(chains, all, |chain| chain.to.min(chain.from + rows));
    let found = sqlx::query_file_as!(
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
    .fetch_all(connection)
    .await
    .map_err(Error::from_sqlx)?;
    let mut pages: Vec<Vec<Row>> = chains.iter().map(|_| Vec::new()).collect();
    into_pages(found, chains, all, &mut pages);
    for (chain, page) in chains.iter().zip(&mut pages) {
        let expected = page.iter().zip(seq(chain.from)..);
        let unbroken = expected.take_while(|(row, seq)| row.seq == *seq).count();
        page.truncate(unbroken);
    }
    Ok(pages)
}

/// Entries of any size, into the pages of these chains.
async fn any(
    connection: &mut PgConnection,
    chains: &[Growth<'_>],
    which: &[usize],
    limit: Limit,
    pages: &mut [Vec<Row>],
) -> Result<(), Error> {
    let asked = Asked::new(chains, which, |chain| chain.to);
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
    .await
    .map_err(Error::from_sqlx)?;
    into_pages(found, chains, which, pages);
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

/// To each chain its rows, in the order of seq.
fn into_pages(found: Vec<Found>, chains: &[Growth<'_>], which: &[usize], pages: &mut [Vec<Row>]) {
    for found in found {
        let nth = usize::try_from(found.nth - 1).ok();
        let Some(&nth) = nth.and_then(|nth| which.get(nth)) else {
            continue;
        };
        pages[nth].push(Row {
            partition: chains[nth].partition.to_owned(),
            generation: chains[nth].generation.cast_signed(),
            seq: found.seq,
            received_at: found.received_at,
            id: found.id,
            salt: found.salt,
            hash: found.hash,
            event: found.event,
            parts: found.parts,
            residue: found.residue,
            previous: None,
        });
    }
    // They are in that order already, which no statement without an `order by` promises.
    for page in pages {
        page.sort_by_key(|row| row.seq);
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

/// The rows of one chain as entries, each with the hash of the one before it.
fn stored<'a>(
    nth: usize,
    chain: &'a Growth<'_>,
    rows: Vec<Row>,
    origin: &'a str,
) -> impl Iterator<Item = Grown> {
    let previous = chain.previous.map(|hash| hash.0.to_vec());
    let mut before = previous.map(|hash| (seq(chain.from) - 1, hash));
    rows.into_iter().filter_map(move |mut row| {
        let seq = u64::try_from(row.seq).ok()?;
        let hash = row.hash.clone();
        let before = before.replace((row.seq, hash));
        row.previous = before.and_then(|(last, hash)| (last + 1 == row.seq).then_some(hash));
        let entry = row.into_stored(chain.tenant, origin, seq == 0);
        Some(Grown { nth, seq, entry })
    })
}
