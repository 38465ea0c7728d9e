//! Chains, their heads, and linking an entry to one. Never decides when or where an entry is kept.

use std::fmt;

use crate::digest::{self, Begun, Place, part_digest, part_salt};
use crate::entry::Entry;
use crate::hash::{Hash, Salt};
use crate::timestamp::Timestamp;

/// Which chain: (tenant, partition, generation) of an installation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chain {
    /// The installation's configured name, e.g. `audit.example.com`.
    pub origin: String,
    /// The tenant's code.
    pub tenant: String,
    pub partition: String,
    /// From 1.
    pub generation: u32,
}

impl Chain {
    /// Chain origin (format §4): `origin/tenant/partition`, from generation 2 on followed by `/generation`.
    pub fn origin_line(&self) -> String {
        let Self {
            origin,
            tenant,
            partition,
            generation,
        } = self;
        match generation {
            0 | 1 => format!("{origin}/{tenant}/{partition}"),
            _ => format!("{origin}/{tenant}/{partition}/{generation}"),
        }
    }

    /// `previous` of the entry with seq 0 (format §3).
    pub fn genesis(&self) -> Hash {
        digest::genesis(&self.origin_line())
    }
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of entries, thus the seq of the next one.
    pub size: u64,
    /// Hash of the last entry; the genesis value while `size` is 0.
    pub hash: Hash,
    /// Of the last entry; [`Timestamp::FIRST`] while `size` is 0.
    pub received_at: Timestamp,
}

/// Where an entry stands in its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub seq: u64,
    pub hash: Hash,
    pub previous: Hash,
    pub received_at: Timestamp,
    /// The salt to store with the entry: the one given to [`Head::link`], or `None` where the entry has no parts
    /// (a salt that salts nothing could be changed unnoticed, so it is not kept).
    pub salt: Option<Salt>,
}

impl Head {
    /// The head of a chain without entries.
    pub fn empty(chain: &Chain) -> Self {
        Self {
            size: 0,
            hash: chain.genesis(),
            received_at: Timestamp::FIRST,
        }
    }

    /// Makes `entry` the next one and moves the head to it.
    ///
    /// `tenant` is the tenant's code, `salt` 16 fresh random bytes. A `received_at` earlier than the head's becomes the
    /// head's.
    pub fn link(
        &mut self,
        tenant: &str,
        entry: &Entry,
        salt: Salt,
        received_at: Timestamp,
    ) -> Link {
        self.link_prepared(tenant, &Prepared::new(entry, salt), received_at)
    }

    /// The same for an entry of which everything is hashed that can be before its place is known.
    pub fn link_prepared(
        &mut self,
        tenant: &str,
        prepared: &Prepared,
        received_at: Timestamp,
    ) -> Link {
        let received_at = received_at.max(self.received_at);
        let place = Place {
            previous: self.hash,
            received_at,
            seq: self.size,
            tenant,
        };
        let link = Link {
            seq: self.size,
            hash: prepared.begun.at(&place),
            previous: self.hash,
            received_at,
            salt: prepared.salt,
        };
        *self = Self {
            size: self.size + 1,
            hash: link.hash,
            received_at,
        };
        link
    }
}

/// What can be computed of an entry's hash before it is known where the entry will stand: all but the last two or three
/// blocks. Entries of one chain are linked one after the other; this part of the work needs no such order.
///
/// `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Prepared {
    begun: Begun,
    /// `None` where the entry has no parts.
    salt: Option<Salt>,
}

impl Prepared {
    /// `salt`: 16 fresh random bytes.
    pub fn new(entry: &Entry, salt: Salt) -> Self {
        let digests = entry
            .each_part()
            .map(|(name, value)| (name, part_digest(part_salt(salt, name), name, value)));
        Self {
            begun: Begun::new(entry.event(), entry.partition(), digests),
            salt: entry.parts().map(|_| salt),
        }
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").finish_non_exhaustive()
    }
}
