//! Chains, their heads, and linking an entry to one. Never decides when or where an entry is kept.

use crate::digest::{self, Document, entry_hash, part_digest, part_salt};
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
        let received_at = received_at.max(self.received_at);
        let document = Document {
            event: entry.event(),
            partition: entry.partition(),
            previous: self.hash,
            received_at,
            seq: self.size,
            tenant,
        };
        let document = document.text(
            entry
                .each_part()
                .map(|(name, value)| (name, part_digest(part_salt(salt, name), name, value))),
        );
        let link = Link {
            seq: self.size,
            hash: entry_hash(&document),
            previous: self.hash,
            received_at,
            salt: entry.parts().map(|_| salt),
        };
        *self = Self {
            size: self.size + 1,
            hash: link.hash,
            received_at,
        };
        link
    }
}
