//! Chains, their heads, and linking an entry to one. Never decides when or where an entry is kept.

use crate::entry::Entry;
use crate::hash::{Hash, Salt};
use crate::timestamp::Timestamp;

/// Which chain: (tenant, partition, generation) of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        todo!()
    }

    /// `previous` of the entry with seq 0 (format §3).
    pub fn genesis(&self) -> Hash {
        todo!()
    }
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of entries, thus the seq of the next one.
    pub size: u64,
    /// Hash of the last entry; the genesis value while `size` is 0.
    pub hash: Hash,
    /// Of the last entry; `Head::empty` gives the earliest time there is.
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
    pub fn empty(_chain: &Chain) -> Self {
        todo!()
    }

    /// Makes `entry` the next one and moves the head to it. `salt`: 16 fresh random bytes. `received_at` earlier than
    /// the head's becomes the head's. `tenant` is the tenant's code.
    pub fn link(
        &mut self,
        _tenant: &str,
        _entry: &Entry,
        _salt: Salt,
        _received_at: Timestamp,
    ) -> Link {
        todo!()
    }
}
