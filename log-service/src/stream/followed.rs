//! A tenant's chains that somebody follows, and who follows them: what is read of a tenant goes to
//! that tenant's readers alone. It reads nothing itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use chain::{Hash, Stored, Timestamp};
use ledger::Tenant;
use ledger::read::{Grown, Growth, TenantHead};
use query::{MAX_CHAINS, Reach};

use super::audience::Audience;
use super::end::End;
use super::frames::{Frame, Stretch};
use super::mailbox::Mailbox;
use super::room::Share;

/// Beyond every seq: the rest of a generation that was closed, whose length nobody keeps.
const BEYOND: u64 = 1 << 53;

/// A chain to be read further.
pub(super) struct Behind {
    pub(super) tenant: Tenant,
    pub(super) partition: Arc<str>,
    generation: u32,
    from: u64,
    to: u64,
    pub(super) since: Option<Timestamp>,
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

/// A tenant with readers.
pub(super) struct Followed {
    pub(super) tenant: Tenant,
    chains: BTreeMap<Arc<str>, Chain>,
    groups: Vec<Group>,
    /// All of its chains were looked at, so that one that turns up is new.
    whole: bool,
    share: Share,
}

struct Group {
    audience: Audience,
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

impl Followed {
    pub(super) fn new(tenant: &Tenant, share: Share) -> Self {
        Self {
            tenant: tenant.clone(),
            chains: BTreeMap::new(),
            groups: Vec::new(),
            whole: false,
            share,
        }
    }

    pub(super) fn audiences(&self) -> impl Iterator<Item = &Audience> {
        self.groups.iter().map(|group| &group.audience)
    }

    /// Takes in a head. A chain that was not known begins there, or at its beginning where it was not
    /// there when all were looked at.
    pub(super) fn see(&mut self, head: &TenantHead) {
        let whole = self.whole;
        let chain = self.chains.entry(head.partition.as_str().into());
        let chain = chain.or_insert_with(|| {
            if whole {
                Chain::first()
            } else {
                Chain::at(head)
            }
        });
        chain.head = (head.generation, head.size);
    }

    /// Ends the readers of chains that went back, and all who cover more than a cursor can name.
    pub(super) fn end_what_cannot_go_on(&mut self) {
        for (partition, chain) in &mut self.chains {
            if chain.head < (chain.generation, chain.next) {
                end(&mut self.groups, End::RollbackDetected, |audience| {
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
        let chains = &self.chains;
        if chains.values().filter(|chain| chain.is_named()).count() > MAX_CHAINS {
            end(&mut self.groups, End::TooManyPartitions, |audience| {
                too_many(audience, chains)
            });
        }
    }

    /// What is to be read now.
    pub(super) fn behind(&self) -> impl Iterator<Item = Behind> {
        let chains = self.chains.iter().filter(|(_, chain)| chain.is_behind());
        chains.map(|(partition, chain)| Behind {
            tenant: self.tenant.clone(),
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
    }

    /// Takes a reader out.
    pub(super) fn remove(&mut self, mailbox: &Arc<Mailbox>) {
        for group in &mut self.groups {
            group.members.retain(|member| !Arc::ptr_eq(member, mailbox));
        }
        self.groups.retain(|group| !group.members.is_empty());
    }

    /// Forgets what none of its readers, and none of these who join, asks for: what is not looked at
    /// each time must not be taken for known. Whether anybody asks for anything.
    pub(super) fn keep_what_is_wanted(&mut self, joining: &[&Audience]) -> bool {
        let groups = self.groups.iter().map(|group| &group.audience);
        let wanted: Vec<&Audience> = groups.chain(joining.iter().copied()).collect();
        self.whole &= wanted.iter().any(|audience| audience.reach != Reach::One);
        if !self.whole {
            let chains = &mut self.chains;
            chains.retain(|name, _| wanted.iter().any(|audience| audience.covers(name)));
        }
        !wanted.is_empty()
    }

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

    /// Hands on the next entry of a chain.
    pub(super) fn deliver(&mut self, partition: &Arc<str>, row: Grown) {
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
    pub(super) fn nothing_more(&mut self, behind: &Behind) {
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
            let readable = match audience.wants(entry) {
                Ok(false) => continue,
                wanted => wanted.is_ok(),
            };
            let known = frames
                .iter()
                .find(|(other, _)| (other.mask, other.reach) == (audience.mask, audience.reach));
            if let (true, Some((_, frame))) = (readable, known) {
                put(members, frame, &stretch);
                continue;
            }
            let cursor = self.cursor(audience);
            let frame = readable.then(|| Frame::entry(entry, audience.mask, &cursor));
            let Some(Ok(frame)) = frame else {
                let frame = self.counted(Frame::unreadable(&stretch, &cursor));
                put(members, &frame, &stretch);
                continue;
            };
            let frame = self.counted(frame);
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
                let frame = self.counted(Frame::unreadable(&stretch, &cursor));
                put(members, &frame, &stretch);
            }
        }
    }

    fn counted(&self, frame: Frame) -> Arc<Frame> {
        Arc::new(frame.counted(&self.share))
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
