//! What waits in a lane: a line per tenant, served in turn, bounded in bytes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use uuid::Uuid;

use super::command::Key;
use super::pending::Pending;

/// Bounds of one batch. A single request may exceed them, since requests stay whole.
const BATCH_ENTRIES: usize = 1_000;
const BATCH_BYTES: usize = 4 << 20;
const BATCH_CHAINS: usize = 128;

pub(super) struct Queue {
    lines: HashMap<Uuid, Line>,
    /// Tenants with something waiting, the next one first.
    turns: VecDeque<Uuid>,
    bytes: usize,
    entries: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Pending>,
    bytes: usize,
}

impl Queue {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            lines: HashMap::new(),
            turns: VecDeque::new(),
            bytes: 0,
            entries: 0,
            max_bytes,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// Whether there was room: for all, and for one tenant no more than half of it, so that one tenant
    /// alone cannot shut out the others.
    #[must_use]
    pub(super) fn push(&mut self, pending: Pending) -> bool {
        let tenant = pending.request.tenant.id;
        let ahead = self.lines.get(&tenant).map_or(0, |line| line.bytes);
        let fits = self.bytes + pending.bytes <= self.max_bytes
            && (ahead == 0 || ahead + pending.bytes <= self.max_bytes / 2);
        if !fits && self.bytes > 0 {
            return false;
        }
        let line = self.lines.entry(tenant).or_default();
        if line.waiting.is_empty() {
            self.turns.push_back(tenant);
        }
        line.bytes += pending.bytes;
        self.bytes += pending.bytes;
        self.entries += pending.request.entries.len();
        line.waiting.push_back(pending);
        true
    }

    /// Fills a batch up with whole requests, one tenant after the other, of chains that are `ready`.
    pub(super) fn fill(
        &mut self,
        mut batch: Vec<Pending>,
        ready: impl Fn(&Key) -> bool,
    ) -> Vec<Pending> {
        let mut entries: usize = batch.iter().map(|p| p.request.entries.len()).sum();
        let mut bytes: usize = batch.iter().map(|pending| pending.bytes).sum();
        let mut chains: HashSet<Key> = batch.iter().map(|p| p.key.clone()).collect();
        // Tenants whose next request did not fit: they begin the next batch.
        let mut passed = Vec::new();
        while entries < BATCH_ENTRIES
            && let Some(tenant) = self.turns.pop_front()
        {
            let Some(next) = self.lines.get(&tenant).and_then(|l| l.waiting.front()) else {
                continue;
            };
            let fits = entries + next.request.entries.len() <= BATCH_ENTRIES
                && bytes + next.bytes <= BATCH_BYTES
                && (chains.len() < BATCH_CHAINS || chains.contains(&next.key));
            if (!batch.is_empty() && !fits) || !ready(&next.key) {
                passed.push(tenant);
                continue;
            }
            if let Some(pending) = self.pop(tenant) {
                entries += pending.request.entries.len();
                bytes += pending.bytes;
                chains.insert(pending.key.clone());
                batch.push(pending);
            }
        }
        for tenant in passed.into_iter().rev() {
            self.turns.push_front(tenant);
        }
        batch
    }

    fn pop(&mut self, tenant: Uuid) -> Option<Pending> {
        let line = self.lines.get_mut(&tenant)?;
        let pending = line.waiting.pop_front()?;
        line.bytes -= pending.bytes;
        self.bytes -= pending.bytes;
        self.entries -= pending.request.entries.len();
        if line.waiting.is_empty() {
            self.lines.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        Some(pending)
    }

    /// Takes out what has waited past its deadline.
    pub(super) fn expire(&mut self, steady: Duration) -> Vec<Pending> {
        let mut expired = Vec::new();
        for line in self.lines.values_mut() {
            let (late, waiting): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut line.waiting)
                .into_iter()
                .partition(|pending| pending.request.deadline <= steady);
            line.waiting = waiting;
            for pending in late {
                line.bytes -= pending.bytes;
                self.bytes -= pending.bytes;
                self.entries -= pending.request.entries.len();
                expired.push(pending);
            }
        }
        self.lines.retain(|_, line| !line.waiting.is_empty());
        let lines = &self.lines;
        self.turns.retain(|tenant| lines.contains_key(tenant));
        expired
    }
}
