//! A model of the database: committed rows, row locks, session locks, the unique key of ids, and
//! statements that advance in stages so that those of several sessions interleave. It does what the
//! lane's statements do to PostgreSQL in READ COMMITTED, and nothing of what the lane decides.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chain::{Head, Salt, Stored, Timestamp};
use ledger::lane::{Command, Failure, Found, Key, Load, Loaded, Reply, Row, Swap};
use uuid::Uuid;

use crate::entries::code;

pub(crate) type SessionId = usize;

#[derive(Clone, Copy)]
pub(crate) struct ChainRow {
    pub(crate) generation: u32,
    pub(crate) head: Head,
}

/// A committed entry.
#[derive(Clone)]
pub(crate) struct EntryRow {
    pub(crate) row: Row,
    pub(crate) tenant: Uuid,
    pub(crate) partition: Arc<str>,
    pub(crate) generation: u32,
}

impl EntryRow {
    pub(crate) fn salt(&self) -> Salt {
        self.row.link.salt.expect("simulated entries have parts")
    }

    fn stored(&self) -> Stored {
        let entry = self.row.entry();
        Stored {
            tenant: code(self.tenant).to_owned(),
            partition: self.partition.as_ref().to_owned(),
            generation: self.generation,
            seq: self.row.link.seq,
            received_at: self.row.link.received_at,
            id: entry.id(),
            salt: self.row.link.salt,
            hash: self.row.link.hash,
            previous: self.row.link.previous,
            event: entry.event().to_owned(),
            parts: entry.parts().map(str::to_owned),
            residue: None,
        }
    }
}

/// What undoes a transaction.
struct Undo {
    heads: Vec<(Key, Option<ChainRow>)>,
    entries: Vec<(Key, u64)>,
    ids: Vec<(Uuid, Uuid)>,
}

enum Stage {
    /// Arrived; nothing read.
    Begin,
    /// Load: this many heads are read. Swap: this many head rows are locked.
    At(usize),
    /// Swap: everything written, nothing committed.
    Written,
    Replied(Reply),
}

struct Session {
    statement: Option<(Command, Stage)>,
    heads: Vec<Option<Loaded>>,
    /// Swap: chains whose head is as expected, and probes whose id was visible at the beginning.
    matching: Vec<usize>,
    taken: Vec<usize>,
}

#[derive(Default)]
pub(crate) struct Database {
    pub(crate) chains: BTreeMap<Key, ChainRow>,
    pub(crate) entries: BTreeMap<(Key, u64), EntryRow>,
    ids: HashMap<(Uuid, Uuid), (Key, u64)>,
    journal: Vec<Undo>,
    sessions: HashMap<SessionId, Session>,
    next_session: SessionId,
    row_locks: HashMap<Key, SessionId>,
    uncommitted_ids: HashMap<(Uuid, Uuid), SessionId>,
    session_locks: HashMap<i64, (SessionId, usize)>,
}

pub(crate) fn error() -> Arc<sqlx::Error> {
    Arc::new(sqlx::Error::WorkerCrashed)
}

impl Database {
    pub(crate) fn connect(&mut self) -> SessionId {
        self.next_session += 1;
        let session = Session {
            statement: None,
            heads: Vec::new(),
            matching: Vec::new(),
            taken: Vec::new(),
        };
        self.sessions.insert(self.next_session, session);
        self.next_session
    }

    pub(crate) fn send(&mut self, session: SessionId, command: Command) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.statement = Some((command, Stage::Begin));
            session.heads.clear();
            session.matching.clear();
            session.taken.clear();
        }
    }

    /// The reply, once the statement has ended.
    pub(crate) fn take_reply(&mut self, session: SessionId) -> Option<Reply> {
        let session = self.sessions.get_mut(&session)?;
        match session.statement.take() {
            Some((_, Stage::Replied(reply))) => Some(reply),
            other => {
                session.statement = other;
                None
            }
        }
    }

    pub(crate) fn is_running(&self, session: SessionId) -> bool {
        self.sessions
            .get(&session)
            .and_then(|session| session.statement.as_ref())
            .is_some_and(|(_, stage)| !matches!(stage, Stage::Replied(_)))
    }

    /// Ends a session; a transaction that did not commit is rolled back.
    pub(crate) fn end(&mut self, session: SessionId) {
        self.roll_back(session);
        self.session_locks
            .retain(|_, (holder, _)| *holder != session);
        self.sessions.remove(&session);
    }

    /// The statement under way fails, if it has not committed. A session lock that it was to give up
    /// may be given up all the same.
    pub(crate) fn fail(&mut self, session: SessionId, failure: Failure, locks_given_up: bool) {
        if !self.is_running(session) {
            return;
        }
        self.roll_back(session);
        let state = self.sessions.get_mut(&session).expect("it is running");
        let statement = state.statement.take();
        let (command, _) = statement.expect("it is running");
        if let (true, Command::Swap(swap)) = (locks_given_up, &command) {
            swap.locks
                .iter()
                .for_each(|lock| self.unlock(session, *lock));
        }
        let state = self.sessions.get_mut(&session).expect("it is running");
        state.statement = Some((command, Stage::Replied(Reply::Failed(failure))));
    }

    fn roll_back(&mut self, session: SessionId) {
        self.row_locks.retain(|_, holder| *holder != session);
        self.uncommitted_ids.retain(|_, holder| *holder != session);
    }

    /// Back to an earlier state, as after restoring a backup: all sessions end.
    pub(crate) fn restore(&mut self, commits: usize) {
        for session in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.end(session);
        }
        self.undo(commits);
    }

    /// Back to an earlier state under living connections, as when someone copies old rows back, or a
    /// proxy changes the server behind them.
    pub(crate) fn rewind(&mut self, commits: usize) {
        for session in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.fail(session, Failure::Transient(error()), false);
        }
        // A commit that was reported just now was one: whoever hears of it may rely on it, and is
        // wrong. Here nobody hears of it.
        for session in self.sessions.values_mut() {
            if let Some((_, Stage::Replied(reply))) = &mut session.statement {
                *reply = Reply::Failed(Failure::Lost(error()));
            }
        }
        self.undo(commits);
    }

    fn undo(&mut self, commits: usize) {
        while self.journal.len() > commits {
            let undo = self.journal.pop().expect("the journal is longer");
            for (key, head) in undo.heads {
                match head {
                    Some(head) => self.chains.insert(key, head),
                    None => self.chains.remove(&key),
                };
            }
            undo.entries.iter().for_each(|place| {
                self.entries.remove(place);
            });
            undo.ids.iter().for_each(|id| {
                self.ids.remove(id);
            });
        }
    }

    pub(crate) fn commits(&self) -> usize {
        self.journal.len()
    }

    pub(crate) fn has_id(&self, tenant: Uuid, id: Uuid) -> Option<&EntryRow> {
        self.entries.get(self.ids.get(&(tenant, id))?)
    }

    pub(crate) fn add_chain(&mut self, key: Key, head: Head) {
        self.chains.insert(
            key,
            ChainRow {
                generation: 1,
                head,
            },
        );
    }

    /// One stage further. `false` when the session waits for another, or has nothing to do.
    pub(crate) fn advance(&mut self, session: SessionId, clock: Timestamp) -> bool {
        let Some(state) = self.sessions.get_mut(&session) else {
            return false;
        };
        let Some((command, stage)) = state.statement.take() else {
            return false;
        };
        let next = match (&command, stage) {
            (_, Stage::Replied(reply)) => Err(Stage::Replied(reply)),
            (Command::Load { chains }, Stage::Begin) => self.load(session, chains, 0, clock),
            (Command::Load { chains }, Stage::At(done)) => self.load(session, chains, done, clock),
            (Command::Swap(swap), stage) => self.swap(session, swap, stage, clock),
            (Command::Create { chains }, _) => {
                let heads = chains.iter().map(|(key, hash)| {
                    let received_at = Timestamp::from_micros(-62_135_596_800_000_000).unwrap();
                    let head = Head {
                        size: 0,
                        hash: *hash,
                        received_at,
                    };
                    (key.clone(), head)
                });
                let heads: Vec<_> = heads.collect();
                for (key, head) in heads {
                    if !self.chains.contains_key(&key) {
                        self.add_chain(key, head);
                    }
                }
                Ok(Stage::Replied(Reply::Created))
            }
            (Command::Find { ids }, _) => {
                let found = ids.iter().filter_map(|find| {
                    let entry = self.has_id(find.tenant.id, find.id)?;
                    let stored = Some(entry.stored()).filter(|stored| {
                        (stored.event.len() + stored.parts.as_ref().map_or(0, String::len)) as u64
                            <= find.bytes
                    });
                    let (tenant, id) = (find.tenant.id, find.id);
                    Some(Found { tenant, id, stored })
                });
                Ok(Stage::Replied(Reply::Found(found.collect())))
            }
            (Command::Unlock, _) => {
                self.session_locks
                    .retain(|_, (holder, _)| *holder != session);
                Ok(Stage::Replied(Reply::Unlocked))
            }
            (Command::Connect { .. }, _) => Ok(Stage::Replied(Reply::Connected)),
            (Command::Load { .. }, Stage::Written) => unreachable!("loads write nothing"),
        };
        let (moved, stage) = match next {
            Ok(stage) => (true, stage),
            Err(stage) => (false, stage),
        };
        let state = self.sessions.get_mut(&session).expect("looked up before");
        state.statement = Some((command, stage));
        moved
    }

    /// `Err` is the same stage again: waiting.
    fn load(
        &mut self,
        session: SessionId,
        chains: &[Load],
        done: usize,
        clock: Timestamp,
    ) -> Result<Stage, Stage> {
        let Some(load) = chains.get(done) else {
            let state = self.sessions.get_mut(&session).expect("it runs");
            let heads = std::mem::take(&mut state.heads);
            return Ok(Stage::Replied(Reply::Loaded { clock, heads }));
        };
        if let Some(lock) = load.lock {
            let (holder, count) = self.session_locks.entry(lock).or_insert((session, 0));
            if *holder != session {
                return Err(Stage::At(done));
            }
            *count += 1;
        }
        let acknowledged = load
            .acknowledged
            .and_then(|place| self.entries.get(&(load.key.clone(), place.seq)));
        let acknowledged = acknowledged.map(|entry| entry.row.link.hash);
        let head = self.chains.get(&load.key).map(|chain| Loaded {
            generation: chain.generation,
            head: chain.head,
            acknowledged,
        });
        let state = self.sessions.get_mut(&session).expect("it runs");
        state.heads.push(head);
        Ok(Stage::At(done + 1))
    }

    fn swap(
        &mut self,
        session: SessionId,
        swap: &Swap,
        stage: Stage,
        clock: Timestamp,
    ) -> Result<Stage, Stage> {
        let tenant = |chain: usize| swap.chains[chain].key.tenant;
        match stage {
            Stage::Begin => {
                let probes = swap.probes.iter().enumerate();
                let taken = probes
                    .filter(|(_, probe)| self.ids.contains_key(&(tenant(probe.chain), probe.id)));
                let taken = taken.map(|(index, _)| index).collect();
                self.sessions.get_mut(&session).expect("it runs").taken = taken;
                Ok(Stage::At(0))
            }
            Stage::At(locked) if locked < swap.chains.len() => {
                let chain = &swap.chains[locked];
                let holder = self.row_locks.entry(chain.key.clone()).or_insert(session);
                if *holder != session {
                    return Err(Stage::At(locked));
                }
                let now = self.chains.get(&chain.key).copied();
                let state = self.sessions.get_mut(&session).expect("it runs");
                let as_expected = now.is_some_and(|now| {
                    now.generation == chain.generation
                        && now.head.size == chain.expected.size
                        && now.head.hash == chain.expected.hash
                });
                let free = !state
                    .taken
                    .iter()
                    .any(|probe| swap.probes[*probe].chain == locked);
                if as_expected && free {
                    state.matching.push(locked);
                }
                Ok(Stage::At(locked + 1))
            }
            Stage::At(locked) => {
                let matching = self.sessions[&session].matching.clone();
                let rows = swap.rows.iter().filter(|row| matching.contains(&row.chain));
                let ids: Vec<_> = rows
                    .map(|row| (tenant(row.chain), row.entry().id()))
                    .collect();
                if ids
                    .iter()
                    .any(|id| self.uncommitted_ids.get(id).is_some_and(|h| *h != session))
                {
                    return Err(Stage::At(locked));
                }
                let mut distinct = std::collections::HashSet::new();
                if ids
                    .iter()
                    .any(|id| self.ids.contains_key(id) || !distinct.insert(*id))
                {
                    self.roll_back(session);
                    return Ok(Stage::Replied(Reply::Failed(Failure::IdTaken(error()))));
                }
                self.uncommitted_ids
                    .extend(ids.into_iter().map(|id| (id, session)));
                Ok(Stage::Written)
            }
            Stage::Written => Ok(Stage::Replied(self.commit(session, swap, clock))),
            Stage::Replied(reply) => Err(Stage::Replied(reply)),
        }
    }

    fn commit(&mut self, session: SessionId, swap: &Swap, clock: Timestamp) -> Reply {
        let state = &self.sessions[&session];
        let (won, taken) = (state.matching.clone(), state.taken.clone());
        let mut undo = Undo {
            heads: Vec::new(),
            entries: Vec::new(),
            ids: Vec::new(),
        };
        for &index in &won {
            let chain = &swap.chains[index];
            let row = ChainRow {
                generation: chain.generation,
                head: chain.new,
            };
            let before = self.chains.insert(chain.key.clone(), row);
            undo.heads.push((chain.key.clone(), before));
        }
        for row in swap.rows.iter().filter(|row| won.contains(&row.chain)) {
            let chain = &swap.chains[row.chain];
            let place = (chain.key.clone(), row.link.seq);
            let id = (chain.key.tenant, row.entry().id());
            let entry = EntryRow {
                row: row.clone(),
                tenant: chain.key.tenant,
                partition: Arc::clone(&chain.key.partition),
                generation: chain.generation,
            };
            let before = self.entries.insert(place.clone(), entry);
            assert!(before.is_none(), "two entries at {place:?}");
            self.ids.insert(id, place.clone());
            undo.entries.push(place);
            undo.ids.push(id);
        }
        self.journal.push(undo);
        self.roll_back(session);
        swap.locks
            .iter()
            .for_each(|lock| self.unlock(session, *lock));
        Reply::Swapped { clock, won, taken }
    }

    fn unlock(&mut self, session: SessionId, lock: i64) {
        if let Some((holder, count)) = self.session_locks.get_mut(&lock)
            && *holder == session
        {
            *count -= 1;
            if *count == 0 {
                self.session_locks.remove(&lock);
            }
        }
    }
}
