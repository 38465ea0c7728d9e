//! The indices of all tenants, and those of them that are open. Everything here blocks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::directory::{Name, Root};
use super::index::Index;
use super::segments::Segments;
use super::{Key, compile, count, disk, failed, page};
use crate::{Ask, Busy, Error, Hit, MAX_HITS, MAX_TOP, Rebuild, Stats, StatsAsk, Which};

/// Indices that are open for reading at once.
const MOST_OPEN: usize = 128;
const IDLE: Duration = Duration::from_mins(10);

pub(super) struct Indices {
    pub(super) root: Root,
    pub(super) busy: Busy,
    pub(super) form: u32,
    open: Mutex<HashMap<Key, Open>>,
}

struct Open {
    slot: Arc<Slot>,
    used: Instant,
}

/// Filled by the first who asks, while the others wait. It has its place before the index is opened: nobody puts a
/// reader there that knows less than one that was there meanwhile.
#[derive(Default)]
struct Slot(Mutex<Option<Arc<Index>>>);

impl Indices {
    pub(super) fn new(root: Root, busy: Busy, form: u32) -> Self {
        Self {
            root,
            busy,
            form,
            open: Mutex::default(),
        }
    }

    /// Forgets readers that nobody used for a while.
    pub(super) fn rest(&self) {
        self.opened().retain(|_, open| open.used.elapsed() < IDLE);
    }

    /// Forgets the tenant's readers.
    pub(super) fn close(&self, tenant: Uuid) {
        self.opened().retain(|(of, _), _| *of != tenant);
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<Key, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of an index; a next one is missing unless it is that rebuild's.
    pub(super) fn number(&self, tenant: Uuid, which: Which) -> Result<u64, Error> {
        let number = match which {
            Which::Current => self.named(tenant, Name::Current)?,
            Which::Next(rebuild) => {
                let next = self.named(tenant, Name::Next)?;
                next.filter(|next| Rebuild::of(*next) == rebuild)
            }
        };
        number.ok_or(Error::Missing)
    }

    pub(super) fn named(&self, tenant: Uuid, name: Name) -> Result<Option<u64>, Error> {
        self.root.tenant(tenant).number(name).map_err(disk)
    }

    pub(super) fn numbers(&self, tenant: Uuid) -> Result<Vec<u64>, Error> {
        let mut numbers = Vec::new();
        for name in Name::ALL {
            numbers.extend(self.named(tenant, name)?);
        }
        Ok(numbers)
    }

    /// The index, opened unless it is.
    pub(super) fn index(&self, tenant: Uuid, number: u64) -> Result<Arc<Index>, Error> {
        let slot = self.slot((tenant, number));
        let mut slot = slot.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = &*slot {
            return Ok(Arc::clone(index));
        }
        let path = self.root.tenant(tenant).path(number);
        if !path.is_dir() {
            return Err(Error::Missing);
        }
        let files = self.root.files(&path).map_err(failed)?;
        let index = Arc::new(Index::open(files, self.form)?);
        *slot = Some(Arc::clone(&index));
        Ok(index)
    }

    fn slot(&self, key: Key) -> Arc<Slot> {
        let mut opened = self.opened();
        if !opened.contains_key(&key) && opened.len() >= MOST_OPEN {
            let oldest = opened.iter().min_by_key(|(_, open)| open.used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                opened.remove(&oldest);
            }
        }
        let open = opened.entry(key).or_insert_with(|| Open {
            slot: Arc::default(),
            used: Instant::now(),
        });
        open.used = Instant::now();
        Arc::clone(&open.slot)
    }

    pub(super) fn current(&self, tenant: Uuid) -> Result<Arc<Index>, Error> {
        self.index(tenant, self.number(tenant, Which::Current)?)
    }

    /// Makes an empty index of that name; its number.
    pub(super) fn begin(&self, tenant: Uuid, name: Name) -> Result<u64, Error> {
        let directory = self.root.tenant(tenant);
        let number = directory.fresh().map_err(disk)?;
        let files = self.root.files(&directory.path(number));
        Index::create(files.map_err(failed)?, self.form)?;
        directory.set(name, number).map_err(disk)?;
        directory.sweep().map_err(disk)?;
        Ok(number)
    }

    /// Puts that rebuild's index in the place of the current one, where it is not there yet.
    pub(super) fn switch(&self, tenant: Uuid, rebuild: Rebuild) -> Result<(), Error> {
        let is_its = |number: Option<u64>| number.map(Rebuild::of) == Some(rebuild);
        if is_its(self.named(tenant, Name::Current)?) {
            return Ok(());
        }
        if !is_its(self.named(tenant, Name::Next)?) {
            return Err(Error::Missing);
        }
        let directory = self.root.tenant(tenant);
        directory.switch().map_err(disk)?;
        // Searches that began before hold their files open.
        directory.sweep().map_err(disk)
    }

    pub(super) fn find(&self, tenant: Uuid, ask: &Ask<'_>) -> Result<Vec<Hit>, Error> {
        let index = self.current(tenant)?;
        let query = compile::compile(index.fields, ask.filter, ask.windows, ask.mask);
        let Some(query) = query.map_err(failed)? else {
            return Ok(Vec::new());
        };
        let searcher = index.searcher();
        let segments = Segments::new(&searcher, &*query, ask.filter, ask.windows);
        let limit = ask.limit.clamp(1, MAX_HITS);
        page::page(
            &segments.map_err(failed)?,
            ask.order,
            limit,
            ask.after.as_ref(),
        )
    }

    pub(super) fn stats(&self, tenant: Uuid, ask: &StatsAsk<'_>) -> Result<Stats, Error> {
        let index = self.current(tenant)?;
        let bounds = (ask.filter.from(), ask.filter.to());
        let query = compile::compile(index.fields, ask.filter, ask.windows, ask.mask);
        let Some(query) = query.map_err(failed)? else {
            let edges = ask.histogram.as_ref().map(|h| h.between(bounds, None));
            let edges = edges.transpose()?.unwrap_or_default();
            return Ok(Stats::none(&edges));
        };
        let searcher = index.searcher();
        let segments = Segments::new(&searcher, &*query, ask.filter, ask.windows);
        let segments = segments.map_err(failed)?;
        let edges = count::edges(&segments, ask.histogram.as_ref(), bounds)?;
        count::count(&segments, ask.top.clamp(1, MAX_TOP), &edges)
    }
}

impl Rebuild {
    /// The one that made the index of this number: no other index of the tenant ever has it.
    pub(super) fn of(number: u64) -> Self {
        Self(Uuid::from_u128(u128::from(number)))
    }
}
