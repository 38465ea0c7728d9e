//! The indices of all tenants, and those of them that are open. Everything here blocks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::directory::Root;
use super::index::Index;
use super::segments::Segments;
use super::{Key, compile, count, disk, failed, page};
use crate::{Ask, Busy, Error, Hit, MAX_HITS, MAX_TOP, Stats, StatsAsk, Which};

/// Indices that are open for reading at once.
const MOST_OPEN: usize = 128;
const IDLE: Duration = Duration::from_mins(10);

pub(super) struct Indices {
    pub(super) root: Root,
    pub(super) busy: Busy,
    open: Mutex<HashMap<Key, Open>>,
}

struct Open {
    index: Arc<Index>,
    used: Instant,
}

impl Indices {
    pub(super) fn new(root: Root, busy: Busy) -> Self {
        Self {
            root,
            busy,
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

    pub(super) fn number(&self, tenant: Uuid, which: Which) -> Result<u64, Error> {
        let number = self.root.tenant(tenant).number(which).map_err(disk)?;
        number.ok_or(Error::Missing)
    }

    pub(super) fn numbers(&self, tenant: Uuid) -> Result<Vec<u64>, Error> {
        let directory = self.root.tenant(tenant);
        let mut numbers = Vec::new();
        for which in [Which::Current, Which::Next] {
            numbers.extend(directory.number(which).map_err(disk)?);
        }
        Ok(numbers)
    }

    /// The index, opened unless it is.
    pub(super) fn index(&self, tenant: Uuid, number: u64) -> Result<Arc<Index>, Error> {
        let key = (tenant, number);
        if let Some(open) = self.opened().get_mut(&key) {
            open.used = Instant::now();
            return Ok(Arc::clone(&open.index));
        }
        let path = self.root.tenant(tenant).path(number);
        if !path.is_dir() {
            return Err(Error::Missing);
        }
        // Two that open it at once make two readers, one of which is soon forgotten.
        let files = self.root.files(&path).map_err(failed)?;
        let index = Arc::new(Index::open(files)?);
        let mut opened = self.opened();
        if opened.len() >= MOST_OPEN {
            let oldest = opened.iter().min_by_key(|(_, open)| open.used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                opened.remove(&oldest);
            }
        }
        let open = opened.entry(key).or_insert_with(|| Open {
            index,
            used: Instant::now(),
        });
        Ok(Arc::clone(&open.index))
    }

    pub(super) fn current(&self, tenant: Uuid) -> Result<Arc<Index>, Error> {
        self.index(tenant, self.number(tenant, Which::Current)?)
    }

    pub(super) fn begin(&self, tenant: Uuid, which: Which) -> Result<(), Error> {
        let directory = self.root.tenant(tenant);
        let number = directory.fresh().map_err(disk)?;
        let files = self.root.files(&directory.path(number));
        Index::create(files.map_err(failed)?)?;
        directory.set(which, number).map_err(disk)?;
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
