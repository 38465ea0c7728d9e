//! Entries as their rows arrive, each put together from its place, its row and the hash before it. It never
//! reads anything itself.

use std::collections::HashMap;

use chain::Stored;
use uuid::Uuid;

use super::super::entries::seq;
use super::Place;
use crate::rows::{Row, to_time};
use crate::{Error, Tenant};

/// A row at a place, or the hash alone of the row before it.
pub(super) struct Line {
    /// Which place, counted from 1.
    pub(super) n: i64,
    pub(super) hash: Vec<u8>,
    pub(super) id: Option<Uuid>,
    pub(super) salt: Option<Vec<u8>>,
    pub(super) event: Option<String>,
    pub(super) parts: Option<String>,
    pub(super) residue: Option<String>,
    pub(super) epoch: i64,
}

/// What has arrived of some places. `take` has each entry as soon as it is whole.
pub(super) struct Arrived<'a, T, F> {
    places: &'a [Place],
    tenant: &'a Tenant,
    origin: &'a str,
    take: F,
    /// By place.
    done: Vec<(usize, T)>,
    /// Rows that nothing came before.
    alone: Vec<(usize, Row)>,
    /// The last hash that stands before a place.
    before: Option<(usize, Vec<u8>)>,
    /// How many places that is: those whose rows have come.
    pub(super) covered: usize,
    /// Of their text.
    pub(super) bytes: u64,
}

impl<'a, T, F: FnMut(Stored) -> T> Arrived<'a, T, F> {
    pub(super) fn new(places: &'a [Place], tenant: &'a Tenant, origin: &'a str, take: F) -> Self {
        Self {
            places,
            tenant,
            origin,
            take,
            done: Vec::with_capacity(places.len()),
            alone: Vec::new(),
            before: None,
            covered: 0,
            bytes: 0,
        }
    }

    /// A row of the `nth` place, counted from 0.
    pub(super) fn line(&mut self, nth: usize, line: Line) -> Result<(), Error> {
        let Some(place) = self.places.get(nth) else {
            return Ok(());
        };
        self.covered = nth + 1;
        let (Some(id), Some(event)) = (line.id, line.event) else {
            self.before = Some((nth, line.hash));
            return Ok(());
        };
        let before = self.before.take_if(|(of, _)| *of == nth);
        let row = Row {
            partition: place.partition.clone(),
            generation: place.generation.cast_signed(),
            seq: seq(place.seq),
            received_at: to_time(place.received_at),
            id,
            salt: line.salt,
            hash: line.hash,
            event,
            parts: line.parts,
            residue: line.residue,
            previous: before.map(|(_, hash)| hash),
        };
        self.bytes += row.text_bytes();
        if row.previous.is_none() && row.seq > 0 {
            self.alone.push((nth, row));
            return Ok(());
        }
        self.row(nth, row)
    }

    fn row(&mut self, nth: usize, row: Row) -> Result<(), Error> {
        let first = row.seq == 0;
        let entry = row.into_stored(self.tenant, self.origin, first)?;
        self.done.push((nth, (self.take)(entry)));
        Ok(())
    }

    /// The places of those that nothing came before.
    pub(super) fn alone(&self) -> impl Iterator<Item = (usize, &'a Place)> {
        self.alone.iter().map(|(nth, _)| (*nth, &self.places[*nth]))
    }

    /// All, in the order of their places. `before` has the hashes before those that were alone, by place.
    pub(super) fn finish(mut self, mut before: HashMap<usize, Vec<u8>>) -> Result<Vec<T>, Error> {
        for (nth, mut row) in std::mem::take(&mut self.alone) {
            row.previous = before.remove(&nth);
            self.row(nth, row)?;
        }
        self.done.sort_by_key(|(nth, _)| *nth);
        Ok(self.done.into_iter().map(|(_, entry)| entry).collect())
    }
}
