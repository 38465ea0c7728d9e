//! One run: replicas of the lane, clients, the model of the database, and faults between any two
//! steps, all from one seed.

mod faults;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chain::{Chain, Entry, Head, Prepared, Salt, Timestamp};
use ledger::Tenant;
use ledger::lane::{Command, Failure, Heads, Key, Lane, Now, Reply, Request, Ticket};

use crate::database::{Database, SessionId, error};
use crate::entries::{PARTITIONS, TENANTS, code, entries};
use crate::random::Random;
use crate::verdict::Verdict;

pub(crate) const ORIGIN: &str = "audit.example.com";
const START: i64 = 1_760_000_000_000_000;

/// How often each fault comes, in 1,000 steps.
struct Faults {
    lost: usize,
    transient: usize,
    restore: usize,
    rewind: usize,
    crash: usize,
    stall: usize,
}

/// A lane with its connection. Lanes of one process share what they know of heads, and a chain is
/// with one of them at a time.
pub(crate) struct Replica {
    lane: Lane,
    process: usize,
    session: Option<SessionId>,
    /// The command that the database does not execute itself.
    connecting: bool,
    /// This host's clock against the database's, microseconds.
    skew: i64,
    /// Counts the processes that this replica has been.
    pub(crate) incarnation: usize,
    clients: HashSet<Ticket>,
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) database: Database,
    replicas: Vec<Replica>,
    /// Sessions whose client is gone and whose statement may still be at work.
    orphans: Vec<SessionId>,
    steady: Duration,
    faults: Faults,
    requests_left: usize,
    /// Server-made ids used so far, by partition.
    fresh: [usize; 3],
    pub(crate) requests: HashMap<Ticket, Posted>,
    poisoned_salts: HashSet<[u8; 16]>,
    verdict: Verdict,
    /// No fault but those of other replicas and of requests themselves.
    calm: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// `admit` says no.
    ShutOut,
    /// The database refuses it.
    Poison,
    /// Its replica's clock is wrong.
    SkewedClock,
}

/// What a client sent.
pub(crate) struct Posted {
    /// Why it may be turned down.
    pub(crate) reasons: Vec<Reason>,
    /// Nothing of the run can keep it from being answered.
    pub(crate) undisturbed: bool,
    pub(crate) key: Key,
    pub(crate) entries: Arc<[Entry]>,
    pub(crate) salts: Arc<[Salt]>,
    pub(crate) replica: usize,
    pub(crate) incarnation: usize,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let rate = *random.pick(&[0, 5, 20, 80]);
        let rare = |random: &mut Random, of: usize| if random.chance(300) { of } else { 0 };
        let faults = Faults {
            lost: rate,
            transient: *random.pick(&[0, 5, 30]),
            restore: rare(&mut random, 6),
            rewind: rare(&mut random, 6),
            crash: rare(&mut random, 6),
            stall: rare(&mut random, 10),
        };
        let mut database = Database::default();
        for tenant in TENANTS {
            let chain = Chain {
                origin: ORIGIN.to_owned(),
                tenant: code(tenant).to_owned(),
                partition: PARTITIONS[1].to_owned(),
                generation: 1,
            };
            let partition = Arc::from(PARTITIONS[1]);
            database.add_chain(Key { tenant, partition }, Head::empty(&chain));
        }
        let processes = 2 + random.below(2);
        let lanes = 1 + random.below(2);
        let calm = faults.lost
            + faults.transient
            + faults.restore
            + faults.rewind
            + faults.crash
            + faults.stall
            == 0;
        let mut world = Self {
            calm,
            requests_left: 10 + random.below(30),
            random,
            database,
            replicas: Vec::new(),
            orphans: Vec::new(),
            steady: Duration::ZERO,
            faults,
            fresh: [0; 3],
            requests: HashMap::new(),
            poisoned_salts: HashSet::new(),
            verdict: Verdict::default(),
        };
        for process in 0..processes {
            // Now and then a host whose clock is wrong: nothing of it may be accepted.
            let skew = match world.random.below(20) {
                0 => 20_000_000,
                n => i64::try_from(n).unwrap() * 100_000 - 1_000_000,
            };
            let heads = Heads::default();
            for _ in 0..lanes {
                world.replicas.push(Replica {
                    lane: lane(&heads),
                    process,
                    session: None,
                    connecting: false,
                    skew,
                    incarnation: 0,
                    clients: HashSet::new(),
                });
            }
        }
        world
    }

    pub(crate) fn run(mut self) {
        while self.requests_left > 0 {
            self.step();
        }
        for _ in 0..self.random.below(200) {
            self.step();
        }
        self.faults = Faults {
            lost: 0,
            transient: 0,
            restore: 0,
            rewind: 0,
            crash: 0,
            stall: 0,
        };
        for _ in 0..50_000 {
            if self.is_quiet() {
                break;
            }
            self.step();
        }
        assert!(self.is_quiet(), "requests wait for ever");
        self.verdict.at_the_end(&self.database, &self.requests);
    }

    fn is_quiet(&self) -> bool {
        let idle = |replica: &Replica| replica.lane.is_idle() && replica.clients.is_empty();
        self.orphans.is_empty() && self.replicas.iter().all(idle)
    }

    pub(crate) fn clock(&self) -> Timestamp {
        let micros = START + i64::try_from(self.steady.as_micros()).unwrap();
        Timestamp::from_micros(micros).unwrap()
    }

    fn now(&self, replica: usize) -> Now {
        Now {
            wall: self.clock().as_micros() + self.replicas[replica].skew,
            steady: self.steady,
        }
    }

    fn step(&mut self) {
        self.steady += Duration::from_micros(self.random.next() % 4_000);
        if self.random.chance(self.faults.stall) {
            self.steady += Duration::from_millis(self.random.next() % 6_000);
        }
        if self.random.chance(self.faults.restore) {
            self.restore();
        }
        if self.random.chance(self.faults.rewind) {
            let back = self.random.below(self.database.commits().min(6) + 1);
            self.database.rewind(self.database.commits() - back);
        }
        let replica = self.random.below(self.replicas.len());
        if self.random.chance(self.faults.crash) {
            self.crash(replica);
        }
        match self.random.below(10) {
            0 | 1 if self.requests_left > 0 => self.post(replica),
            2 => {
                let now = self.now(replica);
                self.replicas[replica].lane.tick(now);
            }
            3 if !self.orphans.is_empty() => self.orphan(),
            _ => self.work(replica),
        }
        self.answers(replica);
    }

    fn post(&mut self, replica: usize) {
        self.requests_left -= 1;
        let ticket = Ticket::try_from(self.requests.len()).unwrap();
        let partition = *self.random.pick(&[0, 0, 0, 1, 1, 1, 1, 2]);
        let tenant = *self.random.pick(&TENANTS);
        let count = 1 + self.random.below(4) * self.random.below(2);
        let mut posted: Vec<Entry> = Vec::new();
        for _ in 0..count {
            posted.push(if self.random.chance(400) {
                let random = self.random.below(1_000);
                entries().own(partition, random).clone()
            } else {
                self.fresh[partition] += 1;
                entries().fresh(partition, self.fresh[partition]).clone()
            });
        }
        let salts: Arc<[Salt]> = (0..count)
            .map(|index| Salt((u128::from(ticket) * 16 + index as u128).to_be_bytes()))
            .collect();
        let poison = self.random.chance(30);
        if poison {
            self.poisoned_salts.extend(salts.iter().map(|salt| salt.0));
        }
        let shut_out = self.random.chance(30);
        let skewed = self.replicas[replica].skew > 5_000_000;
        let key = Key {
            tenant,
            partition: Arc::from(PARTITIONS[partition]),
        };
        let replica = self.lane_of(&key, replica);
        let reasons = [
            (shut_out, Reason::ShutOut),
            (poison, Reason::Poison),
            (skewed, Reason::SkewedClock),
        ];
        let reasons = reasons.into_iter().filter(|(is, _)| *is);
        let reasons = reasons.map(|(_, reason)| reason).collect();
        let patience = *self.random.pick(&[500, 5_000, 10_000]);
        let posted = Posted {
            reasons,
            undisturbed: self.calm && patience == 10_000,
            key,
            entries: posted.into(),
            salts,
            replica,
            incarnation: self.replicas[replica].incarnation,
        };
        let request = Request {
            ticket,
            tenant: Tenant {
                id: tenant,
                code: code(tenant).to_owned(),
            },
            partition: Arc::clone(&posted.key.partition),
            entries: Arc::clone(&posted.entries),
            prepared: {
                let salted = posted.entries.iter().zip(&*posted.salts);
                salted
                    .map(|(entry, salt)| Prepared::new(entry, *salt))
                    .collect()
            },
            admit: Arc::new(move || !shut_out),
            deadline: self.steady + Duration::from_millis(patience),
        };
        self.requests.insert(ticket, posted);
        let replica = &mut self.replicas[replica];
        replica.clients.insert(ticket);
        replica.lane.submit(request);
    }

    /// The lane of this process that has requests of the chain, or else this one.
    fn lane_of(&self, key: &Key, replica: usize) -> usize {
        let process = self.replicas[replica].process;
        let at_work = |(_, other): &(usize, &Replica)| {
            let mut tickets = other.clients.iter();
            other.process == process && tickets.any(|ticket| self.requests[ticket].key == *key)
        };
        let mut lanes = self.replicas.iter().enumerate();
        lanes.find(at_work).map_or(replica, |(lane, _)| lane)
    }

    /// Brings a replica, or its statement, one step further.
    fn work(&mut self, replica: usize) {
        let now = self.now(replica);
        if self.replicas[replica].connecting {
            self.replicas[replica].connecting = false;
            let reply = if self.random.chance(self.faults.lost) {
                Reply::Failed(Failure::Lost(error()))
            } else {
                self.replicas[replica].session = Some(self.database.connect());
                Reply::Connected
            };
            return self.replicas[replica].lane.reply(now, reply);
        }
        let Some(session) = self.replicas[replica].session else {
            return self.next_command(replica);
        };
        if let Some(reply) = self.database.take_reply(session) {
            // Executed, committed, and nobody hears of it.
            let lost = matches!(reply, Reply::Failed(Failure::Lost(_)));
            if lost || self.random.chance(self.faults.lost) {
                return self.disconnect(replica);
            }
            return self.replicas[replica].lane.reply(now, reply);
        }
        if !self.database.is_running(session) {
            return self.next_command(replica);
        }
        if self.random.chance(self.faults.lost) {
            return self.disconnect(replica);
        }
        if self.random.chance(self.faults.transient) {
            let given_up = self.random.chance(500);
            let failure = Failure::Transient(error());
            return self.database.fail(session, failure, given_up);
        }
        self.database.advance(session, self.clock());
    }

    fn next_command(&mut self, replica: usize) {
        let now = self.now(replica);
        let Some(command) = self.replicas[replica].lane.next(now) else {
            return;
        };
        if matches!(command, Command::Connect { .. }) {
            // The driver drops the connection that it had.
            self.orphans.extend(self.replicas[replica].session.take());
            self.replicas[replica].connecting = true;
            return;
        }
        let Some(session) = self.replicas[replica].session else {
            // A connection that broke while nothing was under way is noticed now.
            return self.disconnect(replica);
        };
        Verdict::command(&command);
        let poisoned = |swap: &ledger::lane::Swap| {
            let salts = swap.rows.iter().filter_map(|row| row.link.salt);
            salts
                .into_iter()
                .any(|salt| self.poisoned_salts.contains(&salt.0))
        };
        let refused = matches!(&command, Command::Swap(swap) if poisoned(swap));
        self.database.send(session, command);
        if refused {
            let failure = Failure::Refused(error());
            self.database
                .fail(session, failure, self.random.chance(500));
        }
    }

    fn answers(&mut self, replica: usize) {
        let incarnation = self.replicas[replica].incarnation;
        for (ticket, answer) in self.replicas[replica].lane.take_answers() {
            let expected = self.replicas[replica].clients.remove(&ticket);
            assert!(expected, "request {ticket} is answered twice");
            let posted = &self.requests[&ticket];
            assert_eq!((posted.replica, posted.incarnation), (replica, incarnation));
            self.verdict.answer(&self.database, ticket, posted, answer);
        }
    }
}

fn lane(heads: &Heads) -> Lane {
    Lane::new(ORIGIN.to_owned(), 1 << 20, heads.clone())
}
