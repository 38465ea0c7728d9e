//! The ends of the chains that somebody follows, tenant by tenant. It reads nothing itself: it says
//! what to ask for, takes in what came, and hands it on.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chain::Timestamp;
use ledger::Tenant;
use ledger::read::{Grown, TenantHead};
use query::Reach;
use uuid::Uuid;

use super::audience::Audience;
use super::followed::{Behind, Followed};
use super::mailbox::Mailbox;
use super::room::Room;

pub(super) struct Tails {
    tenants: HashMap<Uuid, Followed>,
    room: Room,
}

impl Tails {
    pub(super) fn new(room: Room) -> Self {
        Self {
            tenants: HashMap::new(),
            room,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Followed> {
        self.tenants.values()
    }

    /// A tenant's chains are looked at from now on.
    pub(super) fn add(&mut self, tenant: &Tenant) -> &mut Followed {
        let followed = self.tenants.entry(tenant.id);
        followed.or_insert_with(|| Followed::new(tenant, self.room.share(tenant.id)))
    }

    /// Takes a reader out.
    pub(super) fn remove(&mut self, tenant: Uuid, mailbox: &Arc<Mailbox>) {
        if let Some(followed) = self.tenants.get_mut(&tenant) {
            followed.remove(mailbox);
        }
    }

    /// Forgets what neither a reader nor one of those who join (by tenant) asks for.
    pub(super) fn forget_the_unwanted(&mut self, joining: &[(Uuid, &Audience)]) {
        self.tenants.retain(|id, followed| {
            let joining = joining.iter().filter(|(tenant, _)| tenant == id);
            let joining: Vec<&Audience> = joining.map(|(_, audience)| *audience).collect();
            followed.keep_what_is_wanted(&joining)
        });
    }

    /// Tenants of which all chains are to be looked at, and single chains of others, for the readers
    /// and for those who join.
    pub(super) fn wanted<'a>(
        &'a self,
        joining: impl Iterator<Item = (Uuid, &'a Audience)>,
    ) -> (Vec<Uuid>, Vec<(Uuid, &'a str)>) {
        let joined = self.tenants.iter().flat_map(|(id, followed)| {
            let audiences = followed.audiences();
            audiences.map(move |audience| (*id, audience))
        });
        let (mut whole, mut named) = (BTreeSet::new(), BTreeSet::new());
        for (tenant, audience) in joining.chain(joined) {
            match (audience.reach, audience.filter.partition()) {
                (Reach::One, Some(partition)) => {
                    named.insert((tenant, partition));
                }
                _ => {
                    whole.insert(tenant);
                }
            }
        }
        named.retain(|(tenant, _)| !whole.contains(tenant));
        (whole.into_iter().collect(), named.into_iter().collect())
    }

    /// Takes in the heads of this moment, and ends the readers who cannot go on.
    pub(super) fn see(&mut self, heads: &[TenantHead]) {
        for head in heads {
            if let Some(followed) = self.tenants.get_mut(&head.tenant) {
                followed.see(head);
            }
        }
        for followed in self.tenants.values_mut() {
            followed.end_what_cannot_go_on();
        }
    }

    /// What is to be read now.
    pub(super) fn behind(&self) -> Vec<Behind> {
        self.tenants.values().flat_map(Followed::behind).collect()
    }

    /// Hands on what was read of `behind`: over the chains of a tenant by time of receipt.
    pub(super) fn deliver(&mut self, behind: &[Behind], grown: Vec<Grown>) {
        let mut empty = vec![true; behind.len()];
        // Rows of a chain come in the order of seq and stay in it: an unreadable one has the time of
        // the one before it, and the sort is stable.
        let mut last: Vec<Option<Timestamp>> = behind.iter().map(|behind| behind.since).collect();
        let mut rows: Vec<(Uuid, Option<Timestamp>, Grown)> = Vec::with_capacity(grown.len());
        for row in grown {
            empty[row.nth] = false;
            let received = row.entry.as_ref().ok().map(|entry| entry.received_at);
            last[row.nth] = last[row.nth].max(received);
            rows.push((behind[row.nth].tenant.id, last[row.nth], row));
        }
        rows.sort_by_key(|(tenant, at, _)| (*tenant, *at));
        for (tenant, _, row) in rows {
            if let Some(followed) = self.tenants.get_mut(&tenant) {
                followed.deliver(&behind[row.nth].partition, row);
            }
        }
        for (behind, _) in behind.iter().zip(empty).filter(|(_, empty)| *empty) {
            if let Some(followed) = self.tenants.get_mut(&behind.tenant.id) {
                followed.nothing_more(behind);
            }
        }
    }
}
