//! What the index finds, page by page, and the entries at those places, which are read from the ledger:
//! the index is not believed.

use std::collections::VecDeque;
use std::sync::Arc;

use chain::Stored;
use ledger::Place;
use search::{Ask, Hit, MAX_HITS, Window};
use service::ApiError;

use super::asking::{Asking, STATEMENT};
use super::extent::Extent;
use super::mask;
use crate::state::unanswered;

/// Hits that are read with one statement.
const PLACES: usize = 256;

pub(super) struct Found {
    /// What the index is asked for: no more than it has.
    windows: Vec<Window>,
    extent: Arc<Extent>,
    after: Option<Hit>,
    hits: VecDeque<Hit>,
    pub(super) rows: VecDeque<Stored>,
    /// The index has no more than `hits`.
    read_out: bool,
}

impl Found {
    pub(super) fn new(windows: Vec<Window>, extent: &Arc<Extent>) -> Self {
        Self {
            windows,
            extent: Arc::clone(extent),
            after: None,
            hits: VecDeque::new(),
            rows: VecDeque::new(),
            read_out: false,
        }
    }

    /// Nothing to be given, and nothing to be asked for.
    pub(super) fn is_over(&self) -> bool {
        self.rows.is_empty() && self.hits.is_empty() && self.read_out
    }

    /// Forgets what is outside of these.
    pub(super) fn narrow(&mut self, windows: Vec<Window>) {
        self.hits.retain(|hit| {
            let chain = (hit.partition.as_str(), hit.generation);
            is_within(&windows, chain, hit.seq)
        });
        self.rows.retain(|row| {
            let chain = (row.partition.as_str(), row.generation);
            is_within(&windows, chain, row.seq)
        });
        self.windows = windows;
    }

    /// Asks the index for its next hits, where there are none in hand. `false`: it does not answer.
    pub(super) async fn ask(&mut self, asking: &Asking<'_>, room: usize) -> Result<bool, ApiError> {
        if !self.hits.is_empty() || self.read_out {
            return Ok(true);
        }
        asking.admit()?;
        let limit = room.clamp(1, MAX_HITS);
        let ask = Ask {
            filter: &asking.question.filter,
            windows: &self.windows,
            mask: mask(asking.caller),
            order: asking.question.order,
            limit,
            after: self.after.clone(),
        };
        let index = asking.state.index();
        let hits = match index.get() {
            Some(search) => index.answer(search.find(asking.tenant.id, &ask)).await,
            None => Ok(None),
        };
        let Ok(Some(hits)) = hits else {
            return Ok(false);
        };
        self.read_out = hits.len() < limit;
        self.after = hits.last().cloned().or(self.after.take());
        // Nothing outside of what the reader may see, whatever the index says.
        self.hits = hits
            .into_iter()
            .filter(|hit| {
                let chain = (hit.partition.as_str(), hit.generation);
                is_within(&self.windows, chain, hit.seq)
            })
            .collect();
        Ok(true)
    }

    /// Reads the entries of the first hits; gives how many rows were read. `None`: the index was put in the
    /// place of another one since it was known how far that was, and may have left something out.
    pub(super) async fn read(&mut self, asking: &Asking<'_>) -> Result<Option<usize>, ApiError> {
        asking.admit()?;
        let holds = self.extent.holds(asking.state.ledger(), &asking.tenant);
        let (holds, (entries, covered)) = tokio::try_join!(holds, self.entries(asking))?;
        self.hits.drain(..covered);
        let read = entries.len();
        let (from, to) = (asking.question.filter.from(), asking.question.filter.to());
        self.rows.extend(entries.into_iter().filter(|entry| {
            from.is_none_or(|from| entry.received_at >= from)
                && to.is_none_or(|to| entry.received_at < to)
        }));
        Ok(holds.then_some(read))
    }

    /// The entries of the first hits, and how many hits these are.
    async fn entries(&self, asking: &Asking<'_>) -> Result<(Vec<Stored>, usize), ApiError> {
        if self.hits.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let places: Vec<_> = self.hits.iter().take(PLACES).map(place).collect();
        let ledger = asking.state.ledger();
        let entries = ledger.at(&asking.tenant, &places, STATEMENT.bytes).await;
        entries.map_err(unanswered)
    }
}

fn is_within(windows: &[Window], (partition, generation): (&str, u32), seq: u64) -> bool {
    windows.iter().any(|window| {
        (window.partition.as_str(), window.generation) == (partition, generation)
            && (window.from..window.to).contains(&seq)
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
