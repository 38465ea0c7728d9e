//! Readers who ask for the same and may see the same: what concerns them is decided once for all.

use std::sync::Arc;

use chain::{Mask, Stored};
use query::{Filter, Reach, Unreadable};
use service::{ApiError, Caller, Permission};

use crate::access_record::SYSTEM;
use crate::read::{mask, visible};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Audience {
    pub(crate) filter: Filter,
    pub(crate) reach: Reach,
    pub(crate) mask: Mask,
}

impl Audience {
    /// 403 when the filter asks for what the caller may not see.
    pub(crate) fn of(caller: &Caller, filter: Filter) -> Result<Self, ApiError> {
        caller.require(Permission::Read)?;
        let personal = filter.personal().is_some() && !caller.may(Permission::ReadPersonal);
        let hidden = filter
            .partition()
            .is_some_and(|name| !visible(caller, name));
        if personal || hidden {
            return Err(ApiError::Forbidden { code: "forbidden" });
        }
        let reach = match filter.partition() {
            Some(_) => Reach::One,
            None if caller.may(Permission::ReadSystem) => Reach::Every,
            None => Reach::Ordinary,
        };
        Ok(Self {
            reach,
            mask: mask(caller),
            filter,
        })
    }

    /// Whether entries of this partition may concern them.
    pub(crate) fn covers(&self, partition: &str) -> bool {
        match self.reach {
            Reach::One => self.filter.partition() == Some(partition),
            Reach::Ordinary => partition != SYSTEM,
            Reach::Every => true,
        }
    }

    /// Whether the entry, of a partition that is covered, is asked for.
    pub(crate) fn wants(&self, entry: &Stored) -> Result<bool, Unreadable> {
        if self
            .filter
            .from()
            .is_some_and(|from| entry.received_at < from)
        {
            return Ok(false);
        }
        self.filter
            .matches(&entry.event, entry.parts.as_deref(), self.mask)
    }

    /// The position that `chains` (partition, generation, next seq) are, as it is given to readers.
    pub(crate) fn cursor<'a>(&self, chains: impl Iterator<Item = (&'a str, u32, u64)>) -> Arc<str> {
        let covered = chains.filter(|(partition, ..)| self.covers(partition));
        query::follow::encode(self.reach, covered).into()
    }
}
