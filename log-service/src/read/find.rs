//! Entries that may be asked for, in order, from two sources: the index, as far as it is, and the ledger
//! from there to its head, so that no committed entry is missed. What the index says is read again from
//! the ledger. Without an index, or when it fails, the ledger is the only source.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};

use chain::Stored;
use ledger::{Limit, Place, Scan, Tenant, Window};
use query::{Order, Question};
use search::{Ask, Hit, MAX_HITS};
use service::{ApiError, Caller};

use super::mask;
use super::wait::VISIBLE;
use crate::State;
use crate::state::{tenant, unanswered};

/// Of one statement; checking its rows takes well below a millisecond a time.
pub(super) const STATEMENT: Limit = Limit {
    rows: 256,
    bytes: 2 << 20,
};
/// Hits that are read with one statement.
const PLACES: usize = 256;

pub(super) struct Find<'a> {
    state: &'a State,
    caller: &'a Caller,
    question: &'a Question,
    tenant: Tenant,
    /// Everything that is left, whoever finds it.
    whole: Scan,
    found: Option<Found>,
    /// What the ledger alone is asked for.
    tail: Scan,
    rows: VecDeque<Stored>,
    read_out: bool,
    /// Rows that were read.
    pub(super) read: usize,
}

/// What the index is asked for.
struct Found {
    windows: Vec<search::Window>,
    after: Option<Hit>,
    hits: VecDeque<Hit>,
    rows: VecDeque<Stored>,
    /// The index has no more than `hits`.
    read_out: bool,
}

impl<'a> Find<'a> {
    /// `visible`: how far the index is; none: the ledger answers alone.
    pub(super) fn new(
        state: &'a State,
        caller: &'a Caller,
        question: &'a Question,
        tenant: Tenant,
        whole: Scan,
        visible: Option<&Visible>,
    ) -> Self {
        let mut find = Self {
            state,
            caller,
            question,
            tenant,
            found: None,
            tail: whole.clone(),
            whole,
            rows: VecDeque::new(),
            read_out: false,
            read: 0,
        };
        if let Some(visible) = visible {
            find.share(visible);
        }
        find
    }

    /// Gives the index what it has, and the ledger the rest.
    fn share(&mut self, visible: &Visible) {
        let mut windows = Vec::new();
        for window in &mut self.tail.windows {
            let chain = (window.partition.clone(), window.generation);
            let next = visible.get(&chain).copied().unwrap_or(0);
            let middle = next.clamp(window.from, window.to);
            if window.from < middle {
                windows.push(search::Window {
                    partition: chain.0,
                    generation: chain.1,
                    from: window.from,
                    to: middle,
                });
            }
            window.from = middle;
        }
        if !windows.is_empty() {
            self.found = Some(Found {
                windows,
                after: None,
                hits: VecDeque::new(),
                rows: VecDeque::new(),
                read_out: false,
            });
        }
    }

    /// What is left to look for.
    pub(super) fn left(&self) -> &[Window] {
        &self.whole.windows
    }

    /// The next entry in order; `room` is how many the caller will take.
    pub(super) async fn next(&mut self, room: usize) -> Result<Option<Stored>, ApiError> {
        self.fill(room).await?;
        if self.rows.is_empty() && !self.read_out {
            self.scan(room).await?;
        }
        let found = self.found.as_ref().and_then(|found| found.rows.front());
        let first = match (found, self.rows.front()) {
            (Some(found), Some(row)) => order(found, row) == self.direction(),
            (found, _) => found.is_some(),
        };
        let row = match &mut self.found {
            Some(found) if first => found.rows.pop_front(),
            _ => self.rows.pop_front(),
        };
        match &row {
            Some(row) => self.whole.consume(row),
            None => self.whole.windows.clear(),
        }
        Ok(row)
    }

    fn direction(&self) -> Ordering {
        match self.question.order {
            Order::Ascending => Ordering::Less,
            Order::Descending => Ordering::Greater,
        }
    }

    /// Has an entry that the index found, if it has one.
    async fn fill(&mut self, room: usize) -> Result<(), ApiError> {
        loop {
            let Some(found) = &mut self.found else {
                return Ok(());
            };
            if !found.rows.is_empty() || found.hits.is_empty() && found.read_out {
                return Ok(());
            }
            self.state.access().admit_read(self.caller)?;
            if found.hits.is_empty() {
                let limit = room.clamp(1, MAX_HITS);
                let ask = Ask {
                    filter: &self.question.filter,
                    windows: &found.windows,
                    mask: mask(self.caller),
                    order: self.question.order,
                    limit,
                    after: found.after.clone(),
                };
                let index = self.state.index();
                let hits = match index.get() {
                    Some(search) => index.answer(search.find(self.tenant.id, &ask)).await,
                    None => Ok(None),
                };
                let Ok(Some(hits)) = hits else {
                    self.without_index();
                    return Ok(());
                };
                found.read_out = hits.len() < limit;
                found.after = hits.last().cloned().or(found.after.take());
                // Nothing outside of what the reader may see, whatever the index says.
                found.hits = hits
                    .into_iter()
                    .filter(|hit| within(&found.windows, hit))
                    .collect();
                continue;
            }
            let places: Vec<_> = found.hits.iter().take(PLACES).map(place).collect();
            let entries = self
                .state
                .ledger()
                .at(&self.tenant, &places, STATEMENT.bytes);
            let (entries, covered) = entries.await.map_err(unanswered)?;
            found.hits.drain(..covered);
            let times = self.whole.times;
            self.read += entries.len();
            found.rows.extend(entries.into_iter().filter(|entry| {
                times.from.is_none_or(|from| entry.received_at >= from)
                    && times.to.is_none_or(|to| entry.received_at < to)
            }));
        }
    }

    /// From here on the ledger answers alone.
    fn without_index(&mut self) {
        self.found = None;
        self.rows.clear();
        self.read_out = false;
        self.tail = self.whole.clone();
    }

    async fn scan(&mut self, room: usize) -> Result<(), ApiError> {
        if self
            .tail
            .windows
            .iter()
            .all(|window| window.from >= window.to)
        {
            self.read_out = true;
            return Ok(());
        }
        // Where every entry is asked for, more than there is room for would be read for nothing.
        if self.question.filter.is_whole() {
            let room = u32::try_from(room).unwrap_or(u32::MAX);
            self.tail.limit.rows = room.clamp(1, STATEMENT.rows);
        }
        // Whoever was shut out meanwhile gets nothing more.
        self.state.access().admit_read(self.caller)?;
        let rows = self.state.ledger().by_time(&self.tenant, &self.tail).await;
        let rows = rows.map_err(unanswered)?;
        self.read_out = rows.is_empty();
        self.read += rows.len();
        for row in &rows {
            self.tail.consume(row);
        }
        self.rows = rows.into();
        Ok(())
    }
}

/// The first seq of each chain, by partition and generation, that the index does not answer for.
pub(super) type Visible = HashMap<(String, u32), u64>;

/// How far the index is, where it is to be asked: where every entry is wanted, nothing is quicker than
/// the ledger.
pub(super) async fn indexed(
    state: &State,
    caller: &Caller,
    question: &Question,
) -> Result<Option<Visible>, ApiError> {
    if question.filter.is_whole() || state.index().get().is_none() {
        return Ok(None);
    }
    visible(state, &tenant(caller)?).await.map(Some)
}

pub(super) async fn visible(state: &State, tenant: &Tenant) -> Result<Visible, ApiError> {
    let cursors = state.ledger().cursors(VISIBLE, tenant.id).await;
    let cursors = cursors.map_err(unanswered)?.into_iter();
    let next = cursors.map(|cursor| ((cursor.partition, cursor.generation), cursor.next));
    Ok(next.collect())
}

fn within(windows: &[search::Window], hit: &Hit) -> bool {
    windows.iter().any(|window| {
        (&window.partition, window.generation) == (&hit.partition, hit.generation)
            && (window.from..window.to).contains(&hit.seq)
    })
}

fn place(hit: &Hit) -> Place {
    Place {
        partition: hit.partition.clone(),
        generation: hit.generation,
        seq: hit.seq,
        received_at: hit.received_at,
    }
}

/// As the ledger orders a list.
fn order(one: &Stored, other: &Stored) -> Ordering {
    let key = |entry: &Stored| (entry.received_at, entry.generation, entry.seq);
    let (a, b) = (key(one), key(other));
    a.0.cmp(&b.0)
        .then_with(|| one.partition.cmp(&other.partition))
        .then_with(|| (a.1, a.2).cmp(&(b.1, b.2)))
}
