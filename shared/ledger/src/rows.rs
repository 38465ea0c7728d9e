//! Rows as they come from the database, and the entries that they are. A value that cannot be
//! converted was written by nobody of ours. Never reads anything itself.

use chain::{Chain, Hash, Salt, Stored, Timestamp};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Error, Tenant};

pub(crate) fn to_time(timestamp: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(timestamp.as_micros()) * 1_000)
        .expect("timestamps are of the years 0001 to 9999")
}

pub(crate) fn from_time(time: OffsetDateTime) -> Result<Timestamp, sqlx::Error> {
    i64::try_from(time.unix_timestamp_nanos() / 1_000)
        .ok()
        .and_then(Timestamp::from_micros)
        .ok_or_else(|| damaged("received_at is outside the years 0001 to 9999"))
}

pub(crate) fn decode_hash(bytes: &[u8]) -> Result<Hash, sqlx::Error> {
    bytes
        .try_into()
        .map(Hash)
        .map_err(|_| damaged("a hash is not 32 bytes long"))
}

pub(crate) fn decode_salt(bytes: &[u8]) -> Result<Salt, sqlx::Error> {
    bytes
        .try_into()
        .map(Salt)
        .map_err(|_| damaged("a salt is not 16 bytes long"))
}

fn damaged(what: &str) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}

/// An entry's columns, and the hash of the row before where it is there.
pub(crate) struct Row {
    pub(crate) partition: String,
    pub(crate) generation: i32,
    pub(crate) seq: i64,
    pub(crate) received_at: OffsetDateTime,
    pub(crate) id: Uuid,
    pub(crate) salt: Option<Vec<u8>>,
    pub(crate) hash: Vec<u8>,
    pub(crate) event: String,
    pub(crate) parts: Option<String>,
    pub(crate) residue: Option<String>,
    pub(crate) previous: Option<Vec<u8>>,
}

/// Stands for the hash of a row that should be there and is not: no entry verifies with it.
const NOT_THERE: Hash = Hash([0; 32]);

impl Row {
    /// Of canonical text.
    pub(crate) fn text_bytes(&self) -> u64 {
        let others = [&self.parts, &self.residue].into_iter().flatten();
        (self.event.len() + others.map(String::len).sum::<usize>()) as u64
    }

    /// `first`: whether the row begins its chain, so that the genesis hash comes before it.
    pub(crate) fn into_stored(
        self,
        tenant: &Tenant,
        origin: &str,
        first: bool,
    ) -> Result<Stored, Error> {
        let previous = self.previous.as_deref().map(decode_hash).transpose();
        let previous = previous.map_err(|_| self.damaged("hash before"))?;
        self.into_stored_behind(previous, tenant, origin, first)
    }

    /// The same behind a hash that is known, or none.
    pub(crate) fn into_stored_behind(
        self,
        previous: Option<Hash>,
        tenant: &Tenant,
        origin: &str,
        first: bool,
    ) -> Result<Stored, Error> {
        let generation = generation(self.generation).ok_or_else(|| self.damaged("generation"))?;
        let seq = u64::try_from(self.seq).map_err(|_| self.damaged("seq"))?;
        let previous = previous.unwrap_or_else(|| {
            if first {
                genesis(tenant, origin, &self.partition, generation)
            } else {
                NOT_THERE
            }
        });
        let salt = self.salt.as_deref().map(decode_salt).transpose();
        Ok(Stored {
            tenant: tenant.code.clone(),
            generation,
            seq,
            received_at: from_time(self.received_at).map_err(|_| self.damaged("received_at"))?,
            id: self.id,
            salt: salt.map_err(|_| self.damaged("salt"))?,
            hash: decode_hash(&self.hash).map_err(|_| self.damaged("hash"))?,
            previous,
            event: self.event,
            parts: self.parts,
            residue: self.residue,
            partition: self.partition,
        })
    }

    fn damaged(&self, what: &'static str) -> Error {
        Error::Damaged {
            partition: self.partition.clone(),
            seq: self.seq,
            what,
        }
    }
}

pub(crate) fn generation(stored: i32) -> Option<u32> {
    u32::try_from(stored).ok().filter(|&number| number >= 1)
}

pub(crate) fn genesis(tenant: &Tenant, origin: &str, partition: &str, generation: u32) -> Hash {
    let chain = Chain {
        origin: origin.to_owned(),
        tenant: tenant.code.clone(),
        partition: partition.to_owned(),
        generation,
    };
    chain.genesis()
}

/// What a head row or an id row says of time and place; `None` for what nothing of ours writes.
pub(crate) fn place(
    stored_generation: i32,
    seq: i64,
    received_at: OffsetDateTime,
) -> Option<(u32, u64, Timestamp)> {
    Some((
        generation(stored_generation)?,
        u64::try_from(seq).ok()?,
        from_time(received_at).ok()?,
    ))
}
