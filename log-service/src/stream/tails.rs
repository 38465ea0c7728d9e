//! The ends of the chains that somebody follows, and who follows them. It reads nothing itself: it
//! says what to ask for, takes in what came, and hands it on. What is read of a tenant goes to that
//! tenant's readers alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chain::{Hash, Stored, Timestamp};
use ledger::Tenant;
use ledger::read::{Grown, Growth, TenantHead};
use query::{MAX_CHAINS, Reach};
use uuid::Uuid;

use super::audience::Audience;
use super::end::End;
use super::frames::{Frame, Stretch};
use super::mailbox::Mailbox;

/// Beyond every seq: the rest of a generation that was closed, whose length nobody keeps.
const BEYOND: u64 = 1 << 53;

#[derive(Default)]
pub(super) struct Tails {
    pub(super) tenants: HashMap<Uuid, Followed>,
}

/// A tenant with readers.
pub(super) struct Followed {
    pub(super) tenant: Tenant,
    chains: BTreeMap<Arc<str>, Chain>,
    pub(super) groups: Vec<Group>,
    /// All of its chains were looked at, so that one that turns up is new.
    whole: bool,
}

pub(super) struct Group {
    pub(super) audience: Audience,
    members: Vec<Arc<Mailbox>>,
}

struct Chain {
    generation: u32,
    next: u64,
    /// Of the entry before `next`.
    hash: Option<Hash>,
    received_at: Option<Timestamp>,
    /// As it was last seen.
    head: (u32, u64),
}

impl Chain {
    fn first() -> Self {
        Self {
            generation: 1,
            next: 0,
            hash: None,
            received_at: None,
            head: (1, 0),
        }
    }

    fn at(head: &TenantHead) -> Self {
        Self {
            generation: head.generation,
            next: head.size,
            hash: (head.size > 0).then_some(head.hash),
            received_at: head.received_at,
            head: (head.generation, head.size),
        }
    }

    fn is_named(&self) -> bool {
        self.generation > 1 || self.next > 0
    }

    fn is_behind(&self) -> bool {
        (self.generation, self.next) < self.head
    }
}

/// A chain to be read further.
pub(super) struct Behind {
    pub(super) tenant: Tenant,
    pub(super) partition: Arc<str>,
    generation: u32,
    from: u64,
    to: u64,
    since: Option<Timestamp>,
    previous: Option<Hash>,
}

impl Behind {
    pub(super) fn growth(&self) -> Growth<'_> {
        Growth {
            tenant: &self.tenant,
            partition: &self.partition,
            generation: self.generation,
            from: self.from,
            to: self.to,
            since: self.since,
            previous: self.previous,
        }
    }
}

impl Tails {
    /// Takes in the heads of this moment. A chain that was not known begins at its head, or at its
    /// beginning where it was not there when all were looked at.
    pub(super) fn see(&mut self, heads: &[TenantHead]) {
        for head in heads {
            let Some(followed) = self.tenants.get_mut(&head.tenant) else {
                continue;
            };
            let whole = followed.whole;
            let chain = followed
                .chains
                .entry(head.partition.as_str().into())
                .or_insert_with(|| {
                    if whole {
                        Chain::first()
                    } else {
                        Chain::at(head)
                    }
                });
            chain.head = (head.generation, head.size);
        }
    }

    /// Ends the readers of chains that went back, and of tenants with more than a cursor can name.
    pub(super) fn end_what_cannot_go_on(&mut self) {
        for followed in self.tenants.values_mut() {
            let groups = &mut followed.groups;
            for (partition, chain) in &mut followed.chains {
                if chain.head < (chain.generation, chain.next) {
                    end(groups, End::RollbackDetected, |audience| {
                        audience.covers(partition)
                    });
                    // For readers to come.
                    *chain = Chain {
                        generation: chain.head.0,
                        next: chain.head.1,
                        hash: None,
                        received_at: None,
                        head: chain.head,
                    };
                }
            }
            let named = followed.chains.values().filter(|chain| chain.is_named());
            if named.count() > MAX_CHAINS {
                let chains = &followed.chains;
                end(groups, End::TooManyPartitions, |audience| {
                    too_many(audience, chains)
                });
            }
        }
    }

    /// What is to be read now.
    pub(super) fn behind(&self) -> Vec<Behind> {
        let followed = self.tenants.values();
        let chains = followed.flat_map(|followed| {
            let chains = followed.chains.iter();
            chains.map(move |(partition, chain)| (&followed.tenant, partition, chain))
        });
        chains
            .filter(|(_, _, chain)| chain.is_behind())
            .map(|(tenant, partition, chain)| Behind {
                tenant: tenant.clone(),
                partition: Arc::clone(partition),
                generation: chain.generation,
                from: chain.next,
                to: if chain.generation == chain.head.0 {
                    chain.head.1
                } else {
                    BEYOND
                },
                since: chain.received_at,
                previous: chain.hash,
            })
            .collect()
    }

    /// Hands on what was read of `behind`: over the chains of a tenant by time of receipt.
    pub(super) fn deliver(&mut self, behind: &[Behind], grown: Vec<Grown>) {
        let mut empty = vec![true; behind.len()];
        let mut rows: Vec<_> = grown
            .into_iter()
            .map(|row| {
                empty[row.nth] = false;
                let at = row.entry.as_ref().ok().map(|entry| entry.received_at);
                (behind[row.nth].tenant.id, at.or(behind[row.nth].since), row)
            })
            .collect();
        // Stable, and rows of a chain come in order; an unreadable one keeps its place nearly.
        let mut latest: HashMap<usize, Option<Timestamp>> = HashMap::new();
        for (_, at, row) in &mut rows {
            let last = latest.entry(row.nth).or_default();
            *at = (*at).max(*last);
            *last = *at;
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

    /// A tenant's chains are looked at from now on.
    pub(super) fn add(&mut self, tenant: &Tenant) -> &mut Followed {
        self.tenants.entry(tenant.id).or_insert_with(|| Followed {
            tenant: tenant.clone(),
            chains: BTreeMap::new(),
            groups: Vec::new(),
            whole: false,
        })
    }

    /// Takes a reader out.
    pub(super) fn remove(&mut self, tenant: Uuid, mailbox: &Arc<Mailbox>) {
        if let Some(followed) = self.tenants.get_mut(&tenant) {
            for group in &mut followed.groups {
                group.members.retain(|member| !Arc::ptr_eq(member, mailbox));
            }
            followed.groups.retain(|group| !group.members.is_empty());
        }
    }

    /// Forgets what neither a reader nor one of those who join (by tenant) asks for: what is not looked
    /// at each time must not be taken for known.
    pub(super) fn forget_the_unwanted(&mut self, joining: &[(Uuid, &Audience)]) {
        self.tenants.retain(|id, followed| {
            let joining = joining.iter().filter(|(tenant, _)| tenant == id);
            let joining = joining.map(|(_, audience)| *audience);
            let groups = followed.groups.iter().map(|group| &group.audience);
            let audiences: Vec<&Audience> = groups.chain(joining).collect();
            followed.whole &= audiences
                .iter()
                .any(|audience| audience.reach != Reach::One);
            if !followed.whole {
                let chains = &mut followed.chains;
                chains.retain(|name, _| audiences.iter().any(|audience| audience.covers(name)));
            }
            !audiences.is_empty()
        });
    }
}

impl Followed {
    /// All that this audience is about was looked at with the last heads.
    pub(super) fn looked(&mut self, audience: &Audience) {
        match (audience.reach, audience.filter.partition()) {
            (Reach::One, Some(partition)) => {
                let chains = &mut self.chains;
                chains.entry(partition.into()).or_insert_with(Chain::first);
            }
            _ => self.whole = true,
        }
    }

    /// Where this audience's chains are: partition, generation, next seq.
    pub(super) fn positions(&self, audience: &Audience) -> Vec<(Arc<str>, u32, u64)> {
        let covered = self.chains.iter().filter(|(name, _)| audience.covers(name));
        covered
            .map(|(name, chain)| (Arc::clone(name), chain.generation, chain.next))
            .collect()
    }

    pub(super) fn has_too_many_for(&self, audience: &Audience) -> bool {
        too_many(audience, &self.chains)
    }

    /// One more reader; what comes from now on is put into his mailbox.
    pub(super) fn join(&mut self, audience: Audience, mailbox: Arc<Mailbox>) {
        let group = self
            .groups
            .iter_mut()
            .find(|group| group.audience == audience);
        match group {
            Some(group) => group.members.push(mailbox),
            None => self.groups.push(Group {
                audience,
                members: vec![mailbox],
            }),
        }
    }

    /// A sign of life for every reader.
    pub(super) fn beat(&self, live: bool) {
        for group in &self.groups {
            let cursor = self.cursor(&group.audience);
            let frame = Arc::new(Frame::heartbeat(&cursor, live));
            for member in &group.members {
                member.beat(&frame);
            }
        }
    }

    fn deliver(&mut self, partition: &Arc<str>, row: Grown) {
        let Some(chain) = self.chains.get_mut(partition) else {
            return;
        };
        let generation = chain.generation;
        let gap = chain.next;
        if row.seq > gap {
            chain.next = row.seq;
            self.unreadable(partition, generation, gap, row.seq);
        }
        let Some(chain) = self.chains.get_mut(partition) else {
            return;
        };
        chain.next = row.seq + 1;
        if let Ok(entry) = row.entry {
            chain.hash = Some(entry.hash);
            chain.received_at = Some(entry.received_at);
            self.entry(partition, &entry);
        } else {
            chain.hash = None;
            self.unreadable(partition, generation, row.seq, row.seq + 1);
        }
    }

    /// Nothing is there where something should be: of a closed generation its end, otherwise a gap.
    fn nothing_more(&mut self, behind: &Behind) {
        let Some(chain) = self.chains.get_mut(&behind.partition) else {
            return;
        };
        chain.hash = None;
        if behind.to == BEYOND {
            chain.generation += 1;
            chain.next = 0;
            return;
        }
        chain.next = behind.to;
        self.unreadable(&behind.partition, behind.generation, behind.from, behind.to);
    }

    fn entry(&self, partition: &Arc<str>, entry: &Stored) {
        let stretch = Stretch {
            partition: Arc::clone(partition),
            generation: entry.generation,
            from: entry.seq,
            to: entry.seq + 1,
        };
        // One text for all who may see the same of it.
        let mut frames: Vec<(&Audience, Arc<Frame>)> = Vec::new();
        for Group { audience, members } in &self.groups {
            if !audience.covers(partition) {
                continue;
            }
            let form = match audience.wants(entry) {
                Ok(false) => continue,
                Ok(true) => {
                    let known = frames.iter().find(|(other, _)| {
                        (other.mask, other.reach) == (audience.mask, audience.reach)
                    });
                    if let Some((_, frame)) = known {
                        put(members, frame, &stretch);
                        continue;
                    }
                    entry.reading_form(audience.mask).ok()
                }
                Err(_) => None,
            };
            let cursor = self.cursor(audience);
            let Some(form) = form else {
                let frame = Arc::new(Frame::unreadable(&stretch, &cursor));
                put(members, &frame, &stretch);
                continue;
            };
            let frame = Arc::new(Frame::entry(&form, &cursor));
            put(members, &frame, &stretch);
            frames.push((audience, frame));
        }
    }

    fn unreadable(&self, partition: &Arc<str>, generation: u32, from: u64, to: u64) {
        tracing::error!(tenant = %self.tenant.id, %partition, generation, from, to, "entries that cannot be read are passed over");
        let stretch = Stretch {
            partition: Arc::clone(partition),
            generation,
            from,
            to,
        };
        for Group { audience, members } in &self.groups {
            if audience.covers(partition) {
                let cursor = self.cursor(audience);
                let frame = Arc::new(Frame::unreadable(&stretch, &cursor));
                put(members, &frame, &stretch);
            }
        }
    }

    fn cursor(&self, audience: &Audience) -> Arc<str> {
        let chains = self.chains.iter();
        audience.cursor(chains.map(|(name, chain)| (&**name, chain.generation, chain.next)))
    }
}

fn put(members: &[Arc<Mailbox>], frame: &Arc<Frame>, stretch: &Stretch) {
    for member in members {
        member.put(frame, stretch);
    }
}

fn too_many(audience: &Audience, chains: &BTreeMap<Arc<str>, Chain>) -> bool {
    let named = chains
        .iter()
        .filter(|(name, chain)| chain.is_named() && audience.covers(name));
    named.count() > MAX_CHAINS
}

fn end(groups: &mut Vec<Group>, reason: End, whom: impl Fn(&Audience) -> bool) {
    groups.retain(|group| {
        let ends = whom(&group.audience);
        if ends {
            for member in &group.members {
                member.end(reason);
            }
        }
        !ends
    });
}
