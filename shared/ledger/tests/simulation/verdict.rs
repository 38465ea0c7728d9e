//! What must hold in every run: no fork, no gap, nothing acknowledged lost, nothing twice, every answer
//! true.

use std::collections::{BTreeMap, HashMap, HashSet};

use chain::{Chain, Hash, Head};
use ledger::append::{Error, Receipt};
use ledger::lane::{Answer, Command, Key, Ticket};

use crate::database::Database;
use crate::entries::{PARTITIONS, code};
use crate::world::{ORIGIN, Posted, Reason};

#[derive(Default)]
pub(crate) struct Verdict {
    /// By process and chain: what was acknowledged.
    acknowledged: HashMap<(usize, usize, Key), Vec<(u64, Hash)>>,
    /// Requests told that nothing of them is stored.
    refused: HashSet<Ticket>,
}

impl Verdict {
    /// Locks must come in one order everywhere, or lanes wait for each other for ever.
    pub(crate) fn command(command: &Command) {
        match command {
            Command::Swap(swap) => {
                assert!(
                    swap.chains.windows(2).all(|w| w[0].key < w[1].key),
                    "row locks out of order"
                );
                assert!(!swap.rows.is_empty(), "an empty batch");
            }
            Command::Load { chains } => {
                let locks: Vec<i64> = chains.iter().filter_map(|load| load.lock).collect();
                assert!(locks.is_sorted(), "session locks out of order");
            }
            _ => {}
        }
    }

    pub(crate) fn answer(
        &mut self,
        database: &Database,
        ticket: Ticket,
        posted: &Posted,
        answer: Answer,
    ) {
        match answer {
            Ok(receipts) => self.receipts(database, posted, &receipts),
            Err(Error::Conflict { index, id }) => {
                assert_eq!(posted.entries[index].id(), id);
                assert!(conflicts(database, posted, index), "no conflict");
                self.refused.insert(ticket);
            }
            // Nothing is said about what is stored.
            Err(Error::Unknown(_) | Error::RollbackDetected) => {}
            Err(error @ (Error::Unavailable(_) | Error::Overloaded)) => {
                assert!(!posted.undisturbed, "undisturbed and yet {error}");
                self.refused.insert(ticket);
            }
            Err(error) => {
                let reason = match error {
                    Error::UnknownPartition => *posted.key.partition == *PARTITIONS[2],
                    Error::NotAdmitted => posted.reasons.contains(&Reason::ShutOut),
                    Error::Refused(_) => posted.reasons.contains(&Reason::Poison),
                    Error::ClockSkew => posted.reasons.contains(&Reason::SkewedClock),
                    _ => false,
                };
                assert!(reason, "no reason to answer: {error}");
                self.refused.insert(ticket);
            }
        }
    }

    fn receipts(&mut self, database: &Database, posted: &Posted, receipts: &[Receipt]) {
        assert_eq!(receipts.len(), posted.entries.len());
        let process = (posted.replica, posted.incarnation, posted.key.clone());
        let before = self.acknowledged.entry(process).or_default();
        let adds = receipts.iter().any(|receipt| !receipt.repeated);
        if adds {
            assert!(
                posted.reasons.is_empty(),
                "an entry that is not to be appended"
            );
            for (seq, hash) in before.iter() {
                let there = database.entries.get(&(posted.key.clone(), *seq));
                let there = there.is_some_and(|entry| entry.row.link.hash == *hash);
                assert!(there, "went on after an acknowledged entry was lost");
            }
        }
        let mut last_new = None;
        for (index, receipt) in receipts.iter().enumerate() {
            let entry = &posted.entries[index];
            assert_eq!(receipt.id, entry.id());
            assert_eq!(*receipt.partition, *posted.key.partition);
            let stored = database.entries.get(&(posted.key.clone(), receipt.seq));
            let stored = stored.expect("what is acknowledged is stored");
            assert_eq!(stored.row.link.hash, receipt.hash);
            assert_eq!(stored.row.link.previous, receipt.previous);
            assert_eq!(stored.row.link.received_at, receipt.received_at);
            assert_eq!(stored.row.entry().event(), entry.event());
            assert_eq!(stored.row.entry().parts(), entry.parts());
            let own = stored.salt() == posted.salts[index];
            assert_eq!(own, !receipt.repeated, "whether it was there before");
            if own {
                assert!(
                    last_new.is_none_or(|last| receipt.seq == last + 1),
                    "not consecutive"
                );
                last_new = Some(receipt.seq);
            }
            before.push((receipt.seq, receipt.hash));
        }
    }

    pub(crate) fn at_the_end(&self, database: &Database, requests: &HashMap<Ticket, Posted>) {
        let mut chains: BTreeMap<&Key, u64> = BTreeMap::new();
        let mut ids = HashSet::new();
        let stored: HashSet<[u8; 16]> = database.entries.values().map(|e| e.salt().0).collect();
        assert_eq!(
            stored.len(),
            database.entries.len(),
            "something is stored twice"
        );
        for ((key, seq), entry) in &database.entries {
            let next = chains.entry(key).or_default();
            assert_eq!(seq, next, "a gap in {key:?}");
            *next += 1;
            assert!(
                ids.insert((key.tenant, entry.row.entry().id())),
                "an id twice"
            );
        }
        for (key, chain) in &database.chains {
            let size = chains.remove(key).unwrap_or_default();
            assert_eq!(size, chain.head.size, "the head of {key:?}");
            relink(database, key, chain.head);
        }
        assert!(chains.is_empty(), "entries without a chain");
        for ticket in &self.refused {
            let salts = &requests[ticket].salts;
            let kept = salts.iter().any(|salt| stored.contains(&salt.0));
            assert!(!kept, "request {ticket} was refused and is stored");
        }
    }
}

/// The chain computed anew from its entries alone.
fn relink(database: &Database, key: &Key, expected: Head) {
    let chain = Chain {
        origin: ORIGIN.to_owned(),
        tenant: code(key.tenant).to_owned(),
        partition: key.partition.as_ref().to_owned(),
        generation: 1,
    };
    let mut head = Head::empty(&chain);
    for ((_, seq), entry) in database
        .entries
        .range((key.clone(), 0)..(key.clone(), u64::MAX))
    {
        let link = entry.row.link;
        assert!(link.received_at >= head.received_at, "time goes back");
        let again = head.link(
            &chain.tenant,
            entry.row.entry(),
            entry.salt(),
            link.received_at,
        );
        assert_eq!(again, link, "a fork at {key:?} {seq}");
    }
    assert_eq!(
        (head.size, head.hash),
        (expected.size, expected.hash),
        "the head of {key:?}"
    );
}

/// Whether an entry's id belongs to another, stored or earlier in the same request.
fn conflicts(database: &Database, posted: &Posted, index: usize) -> bool {
    let entry = &posted.entries[index];
    let differs =
        |other: &chain::Entry| other.event() != entry.event() || other.parts() != entry.parts();
    let within = posted.entries[..index].iter();
    let mut within = within.filter(|other| other.id() == entry.id());
    within.any(differs)
        || database
            .has_id(posted.key.tenant, entry.id())
            .is_some_and(|stored| {
                stored.partition != posted.key.partition || differs(stored.row.entry())
            })
}
