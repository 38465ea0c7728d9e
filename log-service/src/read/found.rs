//! What the index finds, page by page, and the entries at those places, which are read from the ledger:
//! the index is not believed.

use std::collections::VecDeque;
use std::sync::Arc;

use ledger::{Place, View};
use search::{Ask, Hit, MAX_HITS, Window};
use service::ApiError;

use super::asking::{Asking, STATEMENT};
use super::extent::Extent;
use super::mask;
use super::row::Row;
use super::wait::VISIBLE;
use crate::state::unanswered;

/// Hits that are read with one statement. All are looked up, whatever their size: 31 MB at the very most.
const PLACES: usize = 100;

pub(super) struct Found {
    /// What the index is asked for: no more than it has.
    windows: Vec<Window>,
    extent: Arc<Extent>,
    after: Option<Hit>,
    hits: VecDeque<Hit>,
    pub(super) rows: VecDeque<Row>,
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
        let (index, tenant) = (asking.state.index(), asking.tenant.id);
        let hits = match index.get(tenant) {
            Some(search) => index.answer(tenant, search.find(tenant, &ask)).await,
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

    /// Asks where there are no hits in hand, then reads. `None`: the index does not answer, or [`Found::read`] says
    /// that it may have left something out.
    pub(super) async fn go_on(
        &mut self,
        asking: &Asking<'_>,
        room: usize,
    ) -> Result<Option<usize>, ApiError> {
        let (answered, ahead) = tokio::try_join!(self.ask(asking, room), asking.view_ahead())?;
        if !answered {
            return Ok(None);
        }
        let mut view = match ahead {
            Some(view) => view,
            None => asking.view().await?,
        };
        self.read(asking, &mut view).await
    }

    /// Reads the entries of the first hits; gives how many rows were read. `None`: the index was put in the
    /// place of another one since it was known how far that was, and may have left something out.
    pub(super) async fn read(
        &mut self,
        asking: &Asking<'_>,
        view: &mut View,
    ) -> Result<Option<usize>, ApiError> {
        asking.admit()?;
        let places: Vec<_> = self.hits.iter().take(PLACES).map(place).collect();
        let read = view.at(&places, STATEMENT.bytes, VISIBLE, |entry| asking.row(entry));
        let read = read.await.map_err(unanswered)?;
        self.hits.drain(..read.covered);
        let count = read.entries.len();
        let (from, to) = (asking.question.filter.from(), asking.question.filter.to());
        self.rows.extend(read.entries.into_iter().filter(|row| {
            from.is_none_or(|from| row.received_at >= from)
                && to.is_none_or(|to| row.received_at < to)
        }));
        let holds = self.extent.holds(read.epoch);
        if !holds {
            asking.state.extents().forget(asking.tenant.id);
        }
        Ok(holds.then_some(count))
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
