//! What replies mean for the requests that wait for them. Part of the machine: never I/O.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::batch::{Batch, Linked};
use super::command::{Failure, Find, Found, Key, Loaded, Now, Reply};
use super::heads::Loading;
use super::pending::Pending;
use super::{Clock, GIVEN_PARTITIONS, Group, Lane, Step, Waiting, pause};
use crate::append::Error;

impl Lane {
    /// The reply to the outstanding command.
    pub fn reply(&mut self, now: Now, reply: Reply) {
        let Some((waiting, sent)) = self.waiting.take() else {
            return;
        };
        match (waiting, reply) {
            (waiting, Reply::Failed(failure)) => self.failed(now, waiting, failure),
            (Waiting::Connect, Reply::Connected) => {
                // A server that lets one in and then refuses to write counts on as lost: only a
                // commit shows that all is well again.
                self.connected = true;
                // It may be another server.
                self.clock = Clock::default();
            }
            (Waiting::Unlock, Reply::Unlocked) => {
                self.held.clear();
            }
            (Waiting::Load(group, keys), Reply::Loaded { clock, heads }) => {
                self.clock.measure(sent, now, clock);
                self.loaded(group, keys, heads);
            }
            (Waiting::Create(group), Reply::Created) => self.work.push_front(group),
            (Waiting::Swap(batch), Reply::Swapped { clock, won, taken }) => {
                self.clock.measure(sent, now, clock);
                self.failures = 0;
                self.held.clear();
                self.swapped(*batch, &won, &taken);
            }
            (Waiting::Find(group), Reply::Found(found)) => self.found(group, &found),
            (waiting, reply) => {
                // Only a driver that mixes up its replies gets here. What the database did is
                // anyone's guess then, which is what a lost connection means.
                debug_assert!(false, "reply of another kind: {reply:?}");
                let error = sqlx::Error::Protocol("reply of another kind".to_owned());
                self.failed(now, waiting, Failure::Lost(Arc::new(error)));
            }
        }
    }

    fn loaded(&mut self, group: Group, keys: Vec<Key>, heads: Vec<Option<Loaded>>) {
        let mut missing: BTreeSet<Key> = BTreeSet::new();
        let mut again = false;
        for (key, head) in keys.into_iter().zip(heads) {
            match self.heads.loaded(&key, head) {
                Loading::Missing => {
                    missing.insert(key);
                }
                Loading::Again => again = true,
                // Requests learn of a rollback when they are settled, right before the next statement.
                Loading::Usable | Loading::RolledBack => {}
            }
        }
        let mut create = BTreeMap::new();
        let mut pendings = Vec::with_capacity(group.pendings.len());
        for pending in group.pendings {
            if missing.contains(&pending.key) {
                if !GIVEN_PARTITIONS.contains(&pending.key.partition.as_ref()) {
                    self.refuse(&pending, Error::UnknownPartition);
                    continue;
                }
                let genesis = self.genesis(&pending);
                create.insert(pending.key.clone(), genesis);
            }
            pendings.push(pending);
        }
        let step = if !create.is_empty() {
            Step::Create(create)
        } else if again {
            Step::Begin
        } else {
            Step::Link
        };
        let mut group = Group::new(pendings);
        group.step = step;
        self.work.push_front(group);
    }

    fn swapped(&mut self, mut batch: Batch, won: &[usize], taken: &[usize]) {
        let won: HashSet<usize> = won.iter().copied().collect();
        let finds = batch.finds(taken);
        let with_taken: HashSet<usize> = taken
            .iter()
            .filter_map(|&probe| Some(batch.swap.probes.get(probe)?.chain))
            .collect();
        for (index, chain) in batch.swap.chains.iter().enumerate() {
            if won.contains(&index) {
                self.heads.won(&chain.key, chain.generation, chain.new);
            } else if !with_taken.contains(&index) {
                self.heads.lost(&chain.key);
                self.lost_swaps += 1;
            }
        }
        let mut again = Vec::new();
        let mut stored = Vec::with_capacity(batch.linked.len());
        for linked in std::mem::take(&mut batch.linked) {
            if won.contains(&linked.chain) {
                stored.push(linked);
            } else {
                again.push(linked.pending);
            }
        }
        let mut deferred = std::mem::take(&mut batch.deferred);
        if !deferred.is_empty() {
            let found = |linked| batch.found_for_deferred(linked, &deferred);
            let found: Vec<Found> = stored.iter().flat_map(found).collect();
            for pending in &mut deferred {
                for found in &found {
                    pending.learn(found);
                }
            }
        }
        self.won.push((batch, stored));
        let mut deferred = Group::new(deferred);
        self.settle(&mut deferred);
        self.again(deferred.pendings, Vec::new());
        self.again(again, finds);
    }

    fn found(&mut self, mut group: Group, found: &[Found]) {
        for found in found {
            if let Some(stored) = &found.stored {
                self.heads.read_back(found.tenant, stored);
            }
            for pending in &mut group.pendings {
                pending.learn(found);
            }
        }
        // Now, and not when the group's turn comes: what was read may be gone by then.
        self.settle(&mut group);
        self.work.push_front(group);
    }

    /// Puts requests at the front of the work.
    fn again(&mut self, pendings: Vec<Pending>, finds: Vec<Find>) {
        if pendings.is_empty() {
            return;
        }
        let mut group = Group::new(pendings);
        if !finds.is_empty() {
            group.step = Step::Find(finds);
        }
        self.work.push_front(group);
    }

    pub(super) fn failed(&mut self, now: Now, waiting: Waiting, failure: Failure) {
        match failure {
            Failure::Lost(error) => self.lost(waiting, error),
            Failure::Transient(error) | Failure::Refused(error) | Failure::IdTaken(error)
                if matches!(waiting, Waiting::Connect) =>
            {
                self.lost(waiting, error);
            }
            // The connection lives and still has its locks: `next` tries again.
            Failure::Transient(_) | Failure::Refused(_) | Failure::IdTaken(_)
                if matches!(waiting, Waiting::Unlock) => {}
            Failure::Transient(error) => {
                self.last_error = Some(error);
                // Perhaps a lock whose holder is gone and not yet known to be.
                if let Waiting::Load(_, keys) = &waiting {
                    self.heads.without_lock(keys.iter());
                }
                self.put_back(waiting, |lane, pendings| lane.set_back(now, pendings));
            }
            // Seen again with every id probed, the other transaction may still be at work.
            Failure::IdTaken(error) if waiting.probed_all() => {
                self.failed(now, waiting, Failure::Transient(error));
            }
            Failure::IdTaken(_) => self.put_back(waiting, |lane, mut pendings| {
                for pending in &mut pendings {
                    pending.probe_all = true;
                }
                lane.again(pendings, Vec::new());
            }),
            Failure::Refused(error) => {
                self.put_back(waiting, |lane, pendings| lane.bisect(pendings, &error));
            }
        }
    }

    /// After a failure on a living connection: `sent` are the requests that the statement was for.
    fn put_back(&mut self, waiting: Waiting, sent: impl FnOnce(&mut Self, Vec<Pending>)) {
        let (pendings, deferred) = waiting.into_pendings();
        self.again(deferred, Vec::new());
        sent(self, pendings);
    }

    /// The first time together and soon, since most such reasons are gone by then. From then on each
    /// chain by itself and behind the others, which one locked head must not hold up.
    fn set_back(&mut self, now: Now, mut pendings: Vec<Pending>) {
        let mut setbacks = 0;
        for pending in &mut pendings {
            pending.setbacks += 1;
            setbacks = setbacks.max(pending.setbacks);
        }
        if setbacks == 1 {
            self.paused_until = now.steady + pause(1);
            return self.again(pendings, Vec::new());
        }
        let mut chains: BTreeMap<Key, Vec<Pending>> = BTreeMap::new();
        for pending in pendings {
            let chain = chains.entry(pending.key.clone()).or_default();
            chain.push(pending);
        }
        for pendings in chains.into_values() {
            let mut group = Group::new(pendings);
            group.not_before = now.steady + pause(setbacks);
            self.work.push_back(group);
        }
    }

    /// One request that the database refuses must not take others with it.
    fn bisect(&mut self, mut pendings: Vec<Pending>, error: &Arc<sqlx::Error>) {
        self.last_error = Some(Arc::clone(error));
        if let [pending] = pendings.as_slice() {
            self.refuse(pending, Error::Refused(Arc::clone(error)));
            return;
        }
        let second = pendings.split_off(pendings.len() / 2);
        self.again(second, Vec::new());
        self.again(pendings, Vec::new());
    }

    fn lost(&mut self, waiting: Waiting, error: Arc<sqlx::Error>) {
        self.failures += 1;
        self.last_error = Some(error);
        self.connected = false;
        self.held.clear();
        self.heads.unload();
        let waiting = match waiting {
            Waiting::Swap(mut batch) => {
                for mut linked in std::mem::take(&mut batch.linked) {
                    let attempted = batch.attempted(&linked);
                    linked.pending.lost(attempted);
                    batch.linked.push(linked);
                }
                Waiting::Swap(batch)
            }
            waiting => waiting,
        };
        let (mut pendings, deferred) = waiting.into_pendings();
        self.again(deferred, Vec::new());
        // A request that ends its connection every time must not take others with it for ever.
        if pendings.iter().any(|pending| pending.losses > 1) {
            let second = pendings.split_off(pendings.len() / 2);
            self.again(second, Vec::new());
        }
        self.again(pendings, Vec::new());
    }
}

impl Waiting {
    /// The requests that the command was for, and those that wait for its outcome.
    fn into_pendings(self) -> (Vec<Pending>, Vec<Pending>) {
        match self {
            Self::Connect | Self::Unlock => (Vec::new(), Vec::new()),
            Self::Load(group, _) | Self::Create(group) | Self::Find(group) => {
                (group.pendings, Vec::new())
            }
            Self::Swap(batch) => {
                let linked = batch.linked.into_iter();
                let pendings = linked.map(|Linked { pending, .. }| pending).collect();
                (pendings, batch.deferred)
            }
        }
    }

    fn probed_all(&self) -> bool {
        match self {
            Self::Swap(batch) => batch.linked.iter().all(|linked| linked.pending.probe_all),
            _ => true,
        }
    }
}
