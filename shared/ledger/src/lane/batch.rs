//! Linking: requests become the rows and heads of one statement. Never waits and never decides who
//! may append.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chain::{Hash, Head, Stored, Timestamp};
use uuid::Uuid;

use super::command::{Find, Found, Key, Probe, Row, Swap, SwapChain};
use super::pending::{Pending, receipt};
use crate::append::Receipt;

/// A statement on its way, with the requests that it answers.
pub(super) struct Batch {
    pub(super) swap: Swap,
    pub(super) linked: Vec<Linked>,
    /// Requests with an id that one before them in this batch has too. They come next, when what
    /// became of that id is known.
    pub(super) deferred: Vec<Pending>,
}

pub(super) struct Linked {
    pub(super) pending: Pending,
    /// Index in `Swap::chains`.
    pub(super) chain: usize,
    /// For each entry not known before: its row, and whether an earlier entry of the request made it.
    rows: Vec<Option<(usize, bool)>>,
}

impl Batch {
    /// `heads`: generation and head of every chain.
    pub(super) fn link(
        group: Vec<Pending>,
        heads: &BTreeMap<Key, (u32, Head)>,
        received_at: Timestamp,
        locks: Vec<i64>,
    ) -> Self {
        let mut claimed: HashSet<(Uuid, Uuid)> = HashSet::new();
        let mut deferred = Vec::new();
        let mut by_chain: BTreeMap<Key, Vec<Pending>> = BTreeMap::new();
        for pending in group {
            let tenant = pending.key.tenant;
            if pending
                .unknown()
                .any(|(_, entry)| claimed.contains(&(tenant, entry.id())))
            {
                deferred.push(pending);
                continue;
            }
            claimed.extend(pending.unknown().map(|(_, entry)| (tenant, entry.id())));
            by_chain
                .entry(pending.key.clone())
                .or_default()
                .push(pending);
        }
        let mut batch = Self {
            swap: Swap {
                chains: Vec::with_capacity(by_chain.len()),
                rows: Vec::with_capacity(claimed.len()),
                probes: Vec::new(),
                locks,
            },
            linked: Vec::new(),
            deferred,
        };
        for (key, pendings) in by_chain {
            let head = heads[&key];
            batch.link_chain(key, pendings, head, received_at);
        }
        batch
    }

    fn link_chain(
        &mut self,
        key: Key,
        pendings: Vec<Pending>,
        (generation, expected): (u32, Head),
        received_at: Timestamp,
    ) {
        let mut head = expected;
        let chain = self.swap.chains.len();
        for pending in pendings {
            let mut rows = vec![None; pending.request.entries.len()];
            let mut own: HashMap<Uuid, usize> = HashMap::new();
            for (index, entry) in pending.unknown() {
                if let Some(&row) = own.get(&entry.id()) {
                    rows[index] = Some((row, true));
                    continue;
                }
                let request = &pending.request;
                let prepared = &request.prepared[index];
                let link = head.link_prepared(&request.tenant.code, prepared, received_at);
                let row = self.swap.rows.len();
                rows[index] = Some((row, false));
                own.insert(entry.id(), row);
                self.swap.rows.push(Row {
                    chain,
                    entries: Arc::clone(&request.entries),
                    index,
                    link,
                });
                if pending.probes(entry) {
                    let id = entry.id();
                    self.swap.probes.push(Probe { chain, id });
                }
            }
            self.linked.push(Linked {
                pending,
                chain,
                rows,
            });
        }
        self.swap.chains.push(SwapChain {
            key,
            generation,
            expected,
            new: head,
        });
    }

    /// The receipts of a request whose chain moved.
    pub(super) fn receipts(&self, linked: &Linked) -> Vec<Receipt> {
        let chain = &self.swap.chains[linked.chain];
        let receipts = (0..linked.rows.len()).map(|index| match linked.rows[index] {
            Some((row, repeated)) => receipt(&self.stored(row, linked, chain), repeated),
            None => linked
                .pending
                .known(index)
                .cloned()
                .expect("an entry is either known or linked"),
        });
        receipts.collect()
    }

    fn stored(&self, row: usize, linked: &Linked, chain: &SwapChain) -> Stored {
        let row = &self.swap.rows[row];
        Stored {
            tenant: linked.pending.request.tenant.code.clone(),
            partition: chain.key.partition.as_ref().to_owned(),
            generation: chain.generation,
            seq: row.link.seq,
            received_at: row.link.received_at,
            id: row.entry().id(),
            salt: row.link.salt,
            hash: row.link.hash,
            previous: row.link.previous,
            // What a receipt does not need is not copied.
            event: String::new(),
            parts: None,
            residue: None,
        }
    }

    /// Entries of a request that are stored now and that a deferred request has too.
    pub(super) fn found_for_deferred(&self, linked: &Linked, deferred: &[Pending]) -> Vec<Found> {
        let tenant = linked.pending.key.tenant;
        let wanted: HashSet<Uuid> = deferred
            .iter()
            .filter(|pending| pending.key.tenant == tenant)
            .flat_map(|pending| pending.unknown().map(|(_, entry)| entry.id()))
            .collect();
        let rows = linked.rows.iter().flatten().filter(|(_, again)| !again);
        rows.filter(|(row, _)| wanted.contains(&self.swap.rows[*row].entry().id()))
            .map(|&(row, _)| {
                let mut stored = self.stored(row, linked, &self.swap.chains[linked.chain]);
                let entry = self.swap.rows[row].entry();
                entry.event().clone_into(&mut stored.event);
                stored.parts = entry.parts().map(str::to_owned);
                let id = stored.id;
                let stored = Some(stored);
                Found { tenant, id, stored }
            })
            .collect()
    }

    /// What a request would have stored, by index.
    pub(super) fn attempted(&self, linked: &Linked) -> Vec<(usize, Hash)> {
        let rows = linked.rows.iter().enumerate();
        rows.filter_map(|(index, row)| match row {
            Some((row, false)) => Some((index, self.swap.rows[*row].link.hash)),
            _ => None,
        })
        .collect()
    }

    /// Lookups of the ids that turned out to be taken.
    pub(super) fn finds(&self, taken: &[usize]) -> Vec<Find> {
        let taken = taken
            .iter()
            .filter_map(|&probe| self.swap.probes.get(probe));
        taken
            .filter_map(|probe| {
                let has = |linked: &&Linked| {
                    let mut entries = linked.pending.request.entries.iter();
                    linked.chain == probe.chain && entries.any(|entry| entry.id() == probe.id)
                };
                let linked = self.linked.iter().find(has)?;
                Some(Find {
                    tenant: linked.pending.request.tenant.clone(),
                    id: probe.id,
                    bytes: linked.pending.text_bound(probe.id),
                })
            })
            .collect()
    }
}
