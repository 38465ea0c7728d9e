//! A lane's decisions: which requests go into the next statement, how they are linked, and what each
//! reply means. A pure state machine: no I/O, no clock, no async, no randomness. Time and replies are
//! inputs; statements and answers are outputs, and there is one statement at a time.
//!
//! Nothing is answered with a receipt before its commit was heard of or its row was read back.

mod batch;
mod clock;
mod command;
mod heads;
mod pending;
mod queue;
mod replies;

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chain::{Chain, Hash};

pub use clock::MAX_SKEW;
pub use command::{
    Answer, Command, Failure, Find, Found, Key, Load, Loaded, Now, Place, Probe, Reply, Request,
    Row, Swap, SwapChain, Ticket,
};
pub use heads::Heads;

use crate::append::Error;
use batch::{Batch, Linked};
use clock::Clock;
use pending::Pending;
use queue::Queue;

/// Partitions that come with a tenant.
pub(crate) const GIVEN_PARTITIONS: [&str; 2] = ["default", "system"];

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub struct Lane {
    origin: String,
    clock: Clock,
    heads: Heads,
    queue: Queue,
    /// Requests that were taken from the queue and are not answered, to be tried in this order as
    /// soon as their time has come.
    work: VecDeque<Group>,
    waiting: Option<(Waiting, Now)>,
    connected: bool,
    /// Connections lost, or not to be had, since the last commit.
    failures: u32,
    paused_until: Duration,
    /// Session locks that the connection holds.
    held: Vec<i64>,
    last_error: Option<Arc<sqlx::Error>>,
    answers: Vec<(Ticket, Answer)>,
    /// Requests whose entries are stored, with their batch; their receipts are still to be written.
    won: Vec<(Batch, Vec<Linked>)>,
    lost_swaps: u64,
}

/// Requests that go into one statement together.
struct Group {
    pendings: Vec<Pending>,
    step: Step,
    not_before: Duration,
}

/// What a group needs next.
enum Step {
    /// Heads, where they are not known, and then as `Link`.
    Begin,
    /// The statement: heads were read for this attempt, under their locks where that is wanted.
    Link,
    /// These chains, and then as `Begin`.
    Create(BTreeMap<Key, Hash>),
    /// These entries, and then as `Begin`.
    Find(Vec<Find>),
}

/// What the outstanding command was for.
enum Waiting {
    Connect,
    Unlock,
    Load(Group, Vec<Key>),
    Create(Group),
    Swap(Box<Batch>),
    Find(Group),
}

impl Group {
    fn new(pendings: Vec<Pending>) -> Self {
        Self {
            pendings,
            step: Step::Begin,
            not_before: Duration::ZERO,
        }
    }

    /// Statements of it were sent, and what they brought must not grow old.
    fn is_under_way(&self) -> bool {
        !matches!(self.step, Step::Begin)
    }

    /// Failed before, for a reason that passes and may concern its chains alone.
    fn was_set_back(&self) -> bool {
        self.pendings.iter().any(|pending| pending.setbacks > 0)
    }
}

impl Lane {
    /// `queue_bytes`: how much canonical text may wait. `heads` is shared by the lanes of a process,
    /// which must not have requests of the same chain at the same time.
    pub fn new(origin: String, queue_bytes: usize, heads: Heads) -> Self {
        Self {
            origin,
            clock: Clock::default(),
            heads,
            queue: Queue::new(queue_bytes),
            work: VecDeque::new(),
            waiting: None,
            connected: false,
            failures: 0,
            paused_until: Duration::ZERO,
            held: Vec::new(),
            last_error: None,
            answers: Vec::new(),
            won: Vec::new(),
            lost_swaps: 0,
        }
    }

    pub fn submit(&mut self, request: Request) {
        let ticket = request.ticket;
        let pending = Pending::new(request);
        if let Some(error) = pending.conflict_within() {
            self.answers.push((ticket, Err(error)));
        } else if let Some(answer) = pending.settled() {
            self.answers.push((ticket, answer));
        } else if !self.queue.push(pending) {
            self.answers.push((ticket, Err(Error::Overloaded)));
        }
    }

    /// Answers that became due. Writing them takes as long as making a statement, so first ask for [`Lane::next`],
    /// which the database waits for.
    pub fn take_answers(&mut self) -> Vec<(Ticket, Answer)> {
        let mut answers = std::mem::take(&mut self.answers);
        for (batch, linked) in self.won.drain(..) {
            let receipts =
                |linked: &Linked| (linked.pending.request.ticket, Ok(batch.receipts(linked)));
            answers.extend(linked.iter().map(receipts));
        }
        answers
    }

    /// Entries not taken up yet.
    pub fn queued(&self) -> usize {
        self.queue.entries()
    }

    /// Swaps lost to other replicas so far.
    pub fn lost_swaps(&self) -> u64 {
        self.lost_swaps
    }

    /// Whether every request is answered and no command is outstanding.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_none() && !self.has_work()
    }

    fn has_work(&self) -> bool {
        !self.work.is_empty() || !self.queue.is_empty()
    }

    /// Answers what has waited too long. To be called now and then, whatever is outstanding.
    pub fn tick(&mut self, now: Now) {
        for pending in self.queue.expire(now.steady) {
            self.give_up(&pending);
        }
        for mut group in std::mem::take(&mut self.work) {
            self.expire(&mut group, now);
            if !group.pendings.is_empty() {
                self.work.push_back(group);
            }
        }
    }

    /// The next command, if one is due and none is outstanding.
    pub fn next(&mut self, now: Now) -> Option<Command> {
        if self.waiting.is_some() {
            return None;
        }
        if !self.connected {
            return self.has_work().then(|| {
                let wait = match self.failures {
                    0 | 1 => Duration::ZERO,
                    failures => pause(failures - 1),
                };
                self.send(now, Waiting::Connect, Command::Connect { wait })
            });
        }
        loop {
            // Requests may have been answered, or put back, while their chains' locks were held.
            let front = self.work.front().map(|group| &group.step);
            if !self.held.is_empty() && !matches!(front, Some(Step::Link | Step::Create(_))) {
                return Some(self.send(now, Waiting::Unlock, Command::Unlock));
            }
            if now.steady < self.paused_until {
                return None;
            }
            let group = self.take_group(now)?;
            if let Some(command) = self.plan(now, group) {
                return Some(command);
            }
        }
    }

    /// What is tried next: what is under way, then what was set back and whose pause is over, then
    /// what waits in the queue, except for chains that are set back.
    fn take_group(&mut self, now: Now) -> Option<Group> {
        let due = |group: &Group| group.is_under_way() || group.not_before <= now.steady;
        if let Some(place) = self.work.iter().position(due) {
            return self.work.remove(place);
        }
        let set_back = set_back(&self.work);
        let pendings = self.queue.fill(Vec::new(), |key| !set_back.contains(key));
        (!pendings.is_empty()).then(|| Group::new(pendings))
    }

    fn send(&mut self, now: Now, waiting: Waiting, command: Command) -> Command {
        self.waiting = Some((waiting, now));
        command
    }

    /// Brings a group one statement further; `None` when all of it is answered.
    fn plan(&mut self, now: Now, mut group: Group) -> Option<Command> {
        self.expire(&mut group, now);
        self.settle(&mut group);
        if group.pendings.is_empty() {
            return None;
        }
        match std::mem::replace(&mut group.step, Step::Begin) {
            Step::Create(chains) => {
                let chains = chains.into_iter().collect();
                let command = Command::Create { chains };
                Some(self.send(now, Waiting::Create(group), command))
            }
            Step::Find(ids) => {
                let command = Command::Find { ids };
                Some(self.send(now, Waiting::Find(group), command))
            }
            Step::Begin => {
                self.heads
                    .touch(group.pendings.iter().map(|pending| &pending.key));
                let loads = self.loads(&group, now);
                if loads.is_empty() {
                    return self.link(now, group);
                }
                let keys = loads.iter().map(|load| load.key.clone()).collect();
                self.held.extend(loads.iter().filter_map(|load| load.lock));
                let command = Command::Load { chains: loads };
                Some(self.send(now, Waiting::Load(group, keys), command))
            }
            Step::Link => {
                // What arrived while the heads were read, or their locks waited for, comes along.
                if !group.was_set_back() {
                    let (heads, held) = (&self.heads, &self.held);
                    let set_back = set_back(&self.work);
                    let ready = |key: &Key| {
                        let locked = || held.contains(&key.number().cast_signed());
                        heads.current(key).is_some()
                            && (!heads.wants_lock(key) || locked())
                            && !set_back.contains(key)
                    };
                    group.pendings = self.queue.fill(group.pendings, ready);
                }
                self.link(now, group)
            }
        }
    }

    fn link(&mut self, now: Now, mut group: Group) -> Option<Command> {
        let received_at = self.clock.database(now);
        let Some(received_at) = received_at.filter(|_| !self.clock.is_skewed()) else {
            for pending in group.pendings {
                self.refuse(&pending, Error::ClockSkew);
            }
            return None;
        };
        for pending in std::mem::take(&mut group.pendings) {
            // Whoever was admitted when an attempt was sent is not told otherwise afterwards.
            if pending.in_doubt || (pending.request.admit)() {
                group.pendings.push(pending);
            } else {
                self.refuse(&pending, Error::NotAdmitted);
            }
        }
        if group.pendings.is_empty() {
            return None;
        }
        let keys = group.pendings.iter().map(|pending| pending.key.clone());
        let heads = keys.map(|key| Some((key.clone(), self.heads.current(&key)?)));
        let Some(heads) = heads.collect::<Option<BTreeMap<_, _>>>() else {
            // Another lane has lost its connection since the heads were read.
            self.work.push_front(group);
            return None;
        };
        let locks = self.held.clone();
        let batch = Batch::link(group.pendings, &heads, received_at, locks);
        let command = Command::Swap(batch.swap.clone());
        Some(self.send(now, Waiting::Swap(Box::new(batch)), command))
    }

    /// What must be read before the group can be linked. Locks come in the order of their numbers, so
    /// that two lanes never wait for each other.
    fn loads(&self, group: &Group, now: Now) -> Vec<Load> {
        let keys: BTreeSet<&Key> = group.pendings.iter().map(|pending| &pending.key).collect();
        let first = keys.first().copied();
        let mut loads: Vec<Load> = keys
            .into_iter()
            .filter(|key| self.heads.current(key).is_none() || self.heads.wants_lock(key))
            .map(|key| self.load(key))
            .collect();
        if loads.is_empty() && (!self.clock.is_fresh(now) || self.clock.is_skewed()) {
            loads.extend(first.map(|key| self.load(key)));
        }
        loads.sort_by_key(|load| load.lock);
        loads
    }

    fn load(&self, key: &Key) -> Load {
        let lock = self.heads.wants_lock(key);
        Load {
            key: key.clone(),
            lock: lock.then(|| key.number().cast_signed()),
            acknowledged: self.heads.acknowledged(key),
        }
    }

    fn refuse(&mut self, pending: &Pending, error: Error) {
        let error = if pending.in_doubt {
            Error::Unknown(self.last_error.clone())
        } else {
            error
        };
        self.answers.push((pending.request.ticket, Err(error)));
    }

    fn expire(&mut self, group: &mut Group, now: Now) {
        for pending in std::mem::take(&mut group.pendings) {
            if pending.request.deadline <= now.steady {
                self.give_up(&pending);
            } else {
                group.pendings.push(pending);
            }
        }
    }

    fn give_up(&mut self, pending: &Pending) {
        self.refuse(pending, Error::Unavailable(self.last_error.clone()));
    }

    /// Answers what needs no statement any more.
    fn settle(&mut self, group: &mut Group) {
        for pending in std::mem::take(&mut group.pendings) {
            if let Some(answer) = pending.settled() {
                self.answers.push((pending.request.ticket, answer));
            } else if self.heads.is_stopped(&pending.key) {
                let ticket = pending.request.ticket;
                self.answers.push((ticket, Err(Error::RollbackDetected)));
            } else {
                group.pendings.push(pending);
            }
        }
    }

    fn genesis(&self, pending: &Pending) -> Hash {
        let chain = Chain {
            origin: self.origin.clone(),
            tenant: pending.request.tenant.code.clone(),
            partition: pending.key.partition.as_ref().to_owned(),
            generation: 1,
        };
        chain.genesis()
    }
}

fn set_back(work: &VecDeque<Group>) -> HashSet<Key> {
    let pendings = work.iter().flat_map(|group| &group.pendings);
    pendings.map(|pending| pending.key.clone()).collect()
}

fn pause(failures: u32) -> Duration {
    (FIRST_PAUSE * (1 << failures.min(8))).min(LONGEST_PAUSE)
}
