//! The entries of a trail as the ledger has them, read past the service, from the first one on.

use anyhow::{Context as _, Result};
use chain::{Hash, Stored, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

use crate::check::Trail;

pub(crate) struct Entries<'a> {
    trail: &'a Trail,
    next: u64,
    /// Of the entry before.
    previous: Hash,
}

/// A row as the statement gives it.
#[derive(Deserialize)]
struct Row {
    seq: u64,
    /// Microseconds since 1970.
    received_at: i64,
    id: Uuid,
    /// Hexadecimal, as is the salt.
    hash: String,
    salt: Option<String>,
    event: String,
    parts: Option<String>,
    residue: Option<String>,
}

impl<'a> Entries<'a> {
    pub(crate) fn of(trail: &'a Trail) -> Self {
        Self {
            previous: trail.chain.genesis(),
            next: 0,
            trail,
        }
    }

    /// The next `count`; fewer at the end, none behind it.
    pub(crate) fn next(&mut self, count: u64) -> Result<Vec<Stored>> {
        let from = self.next;
        let tenant = self.trail.tenant()?;
        let (partition, generation) = (&self.trail.chain.partition, self.trail.chain.generation);
        let rows = self.trail.database.run(&format!(
            "select json_build_object('seq', seq, 'received_at', (extract(epoch from received_at) * 1000000)::int8,
               'id', id, 'hash', encode(hash, 'hex'), 'salt', encode(salt, 'hex'),
               'event', event, 'parts', parts, 'residue', residue)
               from ledger.entries where tenant = '{tenant}' and partition = '{partition}' and generation = {generation}
                and seq >= {from} and seq < {from} + {count} order by seq"
        ))?;
        rows.lines().map(|line| self.stored(line)).collect()
    }

    fn stored(&mut self, line: &str) -> Result<Stored> {
        let row: Row = serde_json::from_str(line).context("a row of the ledger")?;
        let chain = &self.trail.chain;
        let hash = row.hash.parse()?;
        let stored = Stored {
            tenant: chain.tenant.clone(),
            partition: chain.partition.clone(),
            generation: chain.generation,
            seq: row.seq,
            received_at: Timestamp::from_micros(row.received_at).context("a time")?,
            id: row.id,
            salt: row.salt.as_deref().map(str::parse).transpose()?,
            hash,
            previous: self.previous,
            event: row.event,
            parts: row.parts,
            residue: row.residue,
        };
        self.next = row.seq + 1;
        self.previous = hash;
        Ok(stored)
    }
}
