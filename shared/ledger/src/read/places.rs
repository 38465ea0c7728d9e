//! Entries at places that somebody else found. What is not there is left out: whoever pointed to it is
//! not believed.

mod arrived;

use std::collections::HashMap;

use chain::{Stored, Timestamp};
use futures_util::TryStreamExt as _;
use time::{Duration, OffsetDateTime};

use self::arrived::{Arrived, Line};
use super::View;
use super::entries::seq;
use crate::rows::to_time;
use crate::{Error, follow};

/// How much older the entry before one may be to be found with it: a hypertable's chunk has a day.
const CLOSE: Duration = Duration::DAY;

/// Where an entry is said to be. The time lets the database skip chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub partition: String,
    pub generation: u32,
    pub seq: u64,
    pub received_at: Timestamp,
}

/// What is at the first of some places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtPlaces<T> {
    /// What became of each entry that is there, in the order of the places.
    pub entries: Vec<T>,
    /// How many places that is.
    pub covered: usize,
    /// See [`Ledger::epoch`](crate::Ledger::epoch); as it is after the places were named.
    pub epoch: i64,
}

/// Places as a statement has them.
#[derive(Default)]
struct Columns<'a> {
    partitions: Vec<&'a str>,
    generations: Vec<i32>,
    seqs: Vec<i64>,
    times: Vec<OffsetDateTime>,
}

impl<'a> FromIterator<&'a Place> for Columns<'a> {
    fn from_iter<I: IntoIterator<Item = &'a Place>>(places: I) -> Self {
        let mut columns = Self::default();
        for place in places {
            columns.partitions.push(&place.partition);
            columns.generations.push(place.generation.cast_signed());
            columns.seqs.push(seq(place.seq));
            columns.times.push(to_time(place.received_at));
        }
        columns
    }
}

impl View {
    /// The entries at the first of these places: at all of them, or at as many as have `limit` bytes of text, at
    /// least one. `take` has each while the database looks for the next, those that come more than a day after the
    /// entry before them last. `follower` is whose epoch is given.
    ///
    /// The database looks up all places, also those beyond `limit`, so there should not be many.
    pub async fn at<T>(
        &mut self,
        places: &[Place],
        limit: u64,
        follower: &str,
        take: impl FnMut(Stored) -> T,
    ) -> Result<AtPlaces<T>, Error> {
        if places.is_empty() {
            return Ok(AtPlaces {
                entries: Vec::new(),
                covered: 0,
                epoch: self.epoch(follower).await?,
            });
        }
        let (tenant, origin) = (self.tenant.clone(), self.origin.clone());
        let mut arrived = Arrived::new(places, &tenant, &origin, take);
        let columns: Columns<'_> = places.iter().collect();
        let since = columns.times.iter().map(|time| time.saturating_sub(CLOSE));
        let mut lines = sqlx::query_file_as!(
            Line,
            "src/read/places.sql",
            tenant.id,
            &columns.partitions as &[&str],
            &columns.generations,
            &columns.seqs,
            &columns.times,
            &since.collect::<Vec<_>>(),
            follower
        )
        .fetch(&mut *self.transaction);
        let (mut epoch, mut covered) = (None, places.len());
        while let Some(line) = lines.try_next().await.map_err(Error::from_sqlx)? {
            epoch = Some(line.epoch);
            let nth = nth(line.n);
            if arrived.bytes >= limit.max(1) && nth >= arrived.covered {
                covered = arrived.covered;
                break;
            }
            arrived.line(nth, line)?;
        }
        drop(lines);
        let epoch = match epoch {
            Some(epoch) => epoch,
            None => self.epoch(follower).await?,
        };
        let before = self.before(arrived.alone()).await?;
        Ok(AtPlaces {
            entries: arrived.finish(before)?,
            covered,
            epoch,
        })
    }

    async fn epoch(&mut self, follower: &str) -> Result<i64, Error> {
        follow::epoch(&mut *self.transaction, follower, self.tenant.id).await
    }

    /// The hash before each of these places, however old it is.
    async fn before(
        &mut self,
        places: impl Iterator<Item = (usize, &Place)>,
    ) -> Result<HashMap<usize, Vec<u8>>, Error> {
        let (of, places): (Vec<usize>, Vec<&Place>) = places.unzip();
        if places.is_empty() {
            return Ok(HashMap::new());
        }
        let columns: Columns<'_> = places.into_iter().collect();
        let rows = sqlx::query_file!(
            "src/read/before.sql",
            self.tenant.id,
            &columns.partitions as &[&str],
            &columns.generations,
            &columns.seqs,
            &columns.times
        )
        .fetch_all(&mut *self.transaction)
        .await
        .map_err(Error::from_sqlx)?;
        let hashes = rows.into_iter();
        let hashes = hashes.filter_map(|row| Some((*of.get(nth(row.n))?, row.hash)));
        Ok(hashes.collect())
    }
}

/// From a number that counts from 1.
fn nth(n: i64) -> usize {
    usize::try_from(n - 1).unwrap_or(usize::MAX)
}
