//! One request in a lane: what is known of its entries so far, and the answer that follows.

use std::sync::Arc;

use chain::{Entry, Hash, Stored};
use uuid::Uuid;

use super::command::{Answer, Found, Key, Request};
use crate::append::{Error, Receipt};

/// Canonical text may differ in `recorded_by` alone and still be the same content.
const RECORDER_BYTES: usize = 1024;

pub(super) struct Pending {
    pub(super) key: Key,
    pub(super) request: Request,
    /// Canonical bytes.
    pub(super) bytes: usize,
    /// Receipts of entries that were there before, by index; empty while there are none.
    known: Vec<Option<Receipt>>,
    /// The first entry whose id belongs to another.
    conflict: Option<usize>,
    /// All ids may be taken, also those that the server made: an earlier attempt may have been
    /// committed, or an id was taken between probe and insert.
    pub(super) probe_all: bool,
    /// A statement with this request was sent and its outcome never heard.
    pub(super) in_doubt: bool,
    /// Connections lost with this request.
    pub(super) losses: u32,
    /// Statements with this request that failed for a reason that passes.
    pub(super) setbacks: u32,
    /// What those attempts would have stored, to tell their receipts from earlier ones.
    attempts: Vec<(usize, Hash)>,
}

impl Pending {
    pub(super) fn new(request: Request) -> Self {
        let bytes = request.entries.iter().map(text_bytes).sum();
        Self {
            key: Key {
                tenant: request.tenant.id,
                partition: Arc::clone(&request.partition),
            },
            bytes,
            request,
            known: Vec::new(),
            conflict: None,
            probe_all: false,
            in_doubt: false,
            losses: 0,
            setbacks: 0,
            attempts: Vec::new(),
        }
    }

    pub(super) fn known(&self, index: usize) -> Option<&Receipt> {
        self.known.get(index)?.as_ref()
    }

    /// Entries that are still to be appended, an id that comes twice only once.
    pub(super) fn unknown(&self) -> impl Iterator<Item = (usize, &Entry)> {
        let entries = self.request.entries.iter().enumerate();
        entries.filter(|(index, _)| self.known(*index).is_none())
    }

    pub(super) fn probes(&self, entry: &Entry) -> bool {
        self.probe_all || entry.id_given()
    }

    /// The bound to ask with when looking up one of this request's ids.
    pub(super) fn text_bound(&self, id: Uuid) -> u64 {
        let same = self.request.entries.iter().filter(|entry| entry.id() == id);
        let longest = same.map(text_bytes).max().unwrap_or(0);
        (longest + RECORDER_BYTES) as u64
    }

    /// Takes note of an entry that is stored already.
    pub(super) fn learn(&mut self, found: &Found) {
        if found.tenant != self.key.tenant {
            return;
        }
        for index in 0..self.request.entries.len() {
            let entry = &self.request.entries[index];
            if entry.id() != found.id || self.known(index).is_some() {
                continue;
            }
            let same = found.stored.as_ref().filter(|stored| {
                *stored.partition == *self.key.partition && entry.same_content(stored)
            });
            let Some(stored) = same else {
                self.conflict = Some(self.conflict.map_or(index, |first| first.min(index)));
                continue;
            };
            let own = self.attempts.contains(&(index, stored.hash));
            let receipt = receipt(stored, !own);
            if self.known.is_empty() {
                self.known = vec![None; self.request.entries.len()];
            }
            self.known[index] = Some(receipt);
        }
    }

    /// Remembers what was sent when the reply never came.
    pub(super) fn lost(&mut self, attempted: Vec<(usize, Hash)>) {
        self.attempts.extend(attempted);
        self.in_doubt = true;
        self.probe_all = true;
        self.losses += 1;
    }

    /// The answer, where it needs no further statement.
    pub(super) fn settled(&self) -> Option<Answer> {
        if let Some(index) = self.conflict {
            let id = self.request.entries[index].id();
            return Some(Err(Error::Conflict { index, id }));
        }
        if self.request.entries.is_empty() {
            return Some(Ok(Vec::new()));
        }
        let all = !self.known.is_empty() && self.known.iter().all(Option::is_some);
        all.then(|| Ok(self.known.iter().flatten().cloned().collect()))
    }

    /// An id may come twice in one request: with the same content the second is a repetition of the
    /// first, with other content a conflict.
    pub(super) fn conflict_within(&self) -> Option<Error> {
        let mut first: std::collections::HashMap<Uuid, &Entry> = std::collections::HashMap::new();
        for (index, entry) in self.request.entries.iter().enumerate() {
            let before = first.entry(entry.id()).or_insert(entry);
            if before.event() != entry.event() || before.parts() != entry.parts() {
                return Some(Error::Conflict {
                    index,
                    id: entry.id(),
                });
            }
        }
        None
    }
}

pub(super) fn receipt(stored: &Stored, repeated: bool) -> Receipt {
    Receipt {
        id: stored.id,
        partition: stored.partition.clone(),
        seq: stored.seq,
        received_at: stored.received_at,
        hash: stored.hash,
        previous: stored.previous,
        repeated,
    }
}

fn text_bytes(entry: &Entry) -> usize {
    entry.event().len() + entry.parts().map_or(0, str::len)
}
