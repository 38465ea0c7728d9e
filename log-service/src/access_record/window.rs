//! The open windows: counts of plain reads, by who read what. It never writes anything.

use std::collections::HashMap;

use chain::Timestamp;
use ledger::Tenant;
use query::Filter;
use serde_json::{Map, Value, json};
use service::Principal;
use tokio::time::Instant;
use uuid::Uuid;

/// Ids of single entries that a record lists; more are only counted.
const LISTED: usize = 100;
/// What a window takes beside its texts, about.
const OVERHEAD: usize = 400;

/// A plain read.
#[derive(Clone, Copy)]
pub(crate) enum Read<'a> {
    /// A list or a page of it.
    List(&'a Filter),
    /// A live stream, counted when it begins and again while it lasts.
    Follow(&'a Filter),
    /// Counts.
    Stats(&'a Filter),
    /// One entry by its id.
    Entry { partition: &'a str, id: Uuid },
}

#[derive(Default)]
pub(super) struct Windows {
    open: HashMap<Key, Window>,
}

/// What reads have in common that share a record.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Key {
    action: &'static str,
    tenant: Uuid,
    principal: Principal,
    /// Filter terms, times aside: a reader that follows the log moves them all the time.
    terms: Option<Vec<(String, String)>>,
    partition: Option<String>,
}

struct Window {
    tenant: Tenant,
    opened: Instant,
    count: u64,
    first: Timestamp,
    last: Timestamp,
    ids: Vec<Uuid>,
}

impl Windows {
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.open.contains_key(key)
    }

    pub(super) fn count(&mut self, key: Key, tenant: &Tenant, read: &Read<'_>, now: Timestamp) {
        let window = self.open.entry(key).or_insert_with(|| Window {
            tenant: tenant.clone(),
            opened: Instant::now(),
            count: 0,
            first: now,
            last: now,
            ids: Vec::new(),
        });
        window.count += 1;
        window.last = window.last.max(now);
        if let Read::Entry { id, .. } = read
            && window.ids.len() < LISTED
            && !window.ids.contains(id)
        {
            window.ids.push(*id);
        }
    }

    /// Closes windows; gives their bytes and what is to be recorded of each.
    pub(super) fn take(
        &mut self,
        which: impl Fn(Uuid, Instant) -> bool,
    ) -> Vec<(Tenant, usize, Value)> {
        self.open
            .extract_if(|key, window| which(key.tenant, window.opened))
            .map(|(key, window)| (window.tenant.clone(), key.bytes(), entry(&key, &window)))
            .collect()
    }
}

impl Key {
    pub(super) fn of(tenant: Uuid, principal: Principal, read: &Read<'_>) -> Self {
        let action = match read {
            Read::List(_) => "trail.list",
            Read::Follow(_) => "trail.follow",
            Read::Stats(_) => "trail.stats",
            Read::Entry { .. } => "trail.get",
        };
        let (terms, partition) = match read {
            Read::List(filter) | Read::Follow(filter) | Read::Stats(filter) => {
                let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                let terms = filter
                    .terms()
                    .filter(|(name, _)| !matches!(*name, "from" | "to"));
                (Some(terms.map(owned).collect()), filter.partition())
            }
            Read::Entry { partition, .. } => (None, Some(*partition)),
        };
        Self {
            action,
            tenant,
            principal,
            terms,
            partition: partition.map(str::to_owned),
        }
    }

    /// About what its window takes.
    pub(super) fn bytes(&self) -> usize {
        let terms = self.terms.iter().flatten();
        let texts: usize = terms.map(|(name, value)| name.len() + value.len()).sum();
        OVERHEAD
            + if self.terms.is_some() {
                texts
            } else {
                LISTED * 40
            }
    }
}

fn entry(key: &Key, window: &Window) -> Value {
    let mut metadata = json!({
        "count": window.count,
        "first": window.first.to_string(),
        "last": window.last.to_string(),
    });
    match &key.terms {
        Some(terms) => {
            let filter: Map<_, _> = terms
                .iter()
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect();
            metadata["filter"] = Value::Object(filter);
        }
        None => metadata["ids"] = json!(window.ids),
    }
    let target = |partition: &String| json!({"type": "partition", "id": partition});
    json!({
        "partition": super::SYSTEM,
        "action": key.action,
        "activity": "read",
        "occurred_at": window.last.to_string(),
        "actor": {"type": key.principal.kind, "id": key.principal.id},
        "targets": key.partition.iter().map(target).collect::<Vec<_>>(),
        "metadata": metadata,
    })
}
