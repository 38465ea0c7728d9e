//! Who asks for what, and the bounds of the answer: what there is of it at the moment, or what a page before
//! left over.

use std::sync::Arc;
use std::time::Duration;

use chain::Stored;
use ledger::{Limit, Order, Scan, Tenant, Times, View, Window};
use query::{Cursor, Filter, MAX_CHAINS, Question};
use service::{ApiError, Caller};

use super::extent::Extent;
use super::row::Row;
use super::{mask, visible};
use crate::State;
use crate::state::unanswered;

/// A page ends at the first of these, whether or not it is full: no filter can keep a reader
/// connection, or this process, busy for long.
pub(super) const MAX_SCANNED: usize = 20_000;
pub(super) const MAX_TIME: Duration = Duration::from_secs(2);

/// Of one statement; checking its rows takes well below a millisecond a time.
pub(super) const STATEMENT: Limit = Limit {
    rows: 256,
    bytes: 2 << 20,
};

/// Who asks, and what.
pub(super) struct Asking<'a> {
    pub(super) state: &'a State,
    pub(super) caller: &'a Caller,
    pub(super) question: &'a Question,
    pub(super) tenant: Tenant,
}

impl Asking<'_> {
    /// Whoever was shut out meanwhile gets nothing more.
    pub(super) fn admit(&self) -> Result<(), ApiError> {
        self.state.access().admit_read(self.caller)
    }

    /// What the reader sees of the ledger, for statements that follow at once.
    pub(super) async fn view(&self) -> Result<View, ApiError> {
        let view = self.state.ledger().view(&self.tenant).await;
        view.map_err(unanswered)
    }

    /// The same, to be had while the index works; `None`: too many have it.
    pub(super) async fn view_ahead(&self) -> Result<Option<View>, ApiError> {
        let view = self.state.ledger().view_ahead(&self.tenant).await;
        view.map_err(unanswered)
    }

    /// Everything that is asked for, up to the heads of this moment.
    pub(super) async fn heads(&self, mut view: View) -> Result<(View, Scan), ApiError> {
        let scan = bounds(&mut view, self.caller, &self.question.filter).await?;
        Ok((view, self.in_order(scan)))
    }

    /// What the page before left over.
    pub(super) fn left_over(&self, cursor: &Cursor) -> Scan {
        let windows = cursor.remaining.iter().map(|left| Window {
            partition: left.partition.clone(),
            generation: left.generation,
            from: left.from,
            to: left.to,
        });
        self.in_order(scan(windows.collect(), times(&self.question.filter)))
    }

    fn in_order(&self, scan: Scan) -> Scan {
        let order = match self.question.order {
            query::Order::Ascending => Order::Ascending,
            query::Order::Descending => Order::Descending,
        };
        Scan { order, ..scan }
    }

    /// How far the index is, where it is to be asked: where every entry is wanted, nothing is quicker than
    /// the ledger.
    pub(super) async fn extent(&self) -> Result<Option<Arc<Extent>>, ApiError> {
        let index = self.state.index().get(self.tenant.id);
        if self.question.filter.is_whole() || index.is_none() {
            return Ok(None);
        }
        let extents = self.state.extents();
        let extent = extents.of(self.state.ledger(), &self.tenant).await?;
        Ok(Some(extent))
    }

    /// What the reader gets of an entry.
    pub(super) fn row(&self, entry: Stored) -> Row {
        Row::new(entry, self.question, mask(self.caller))
    }

    /// A page of the ledger alone.
    pub(super) async fn scan(&self, scan: &Scan) -> Result<Vec<Stored>, ApiError> {
        self.admit()?;
        let rows = self.state.ledger().by_time(&self.tenant, scan).await;
        rows.map_err(unanswered)
    }
}

/// Everything that the caller may read and that the filter's partition and times leave, newest first.
pub(super) async fn bounds(
    view: &mut View,
    caller: &Caller,
    filter: &Filter,
) -> Result<Scan, ApiError> {
    let times = times(filter);
    let named: Vec<_> = filter.partition().map(str::to_owned).into_iter().collect();
    let windows = view.windows(&named, times).await;
    let mut windows = windows.map_err(unanswered)?;
    windows.retain(|window| window.from < window.to && visible(caller, &window.partition));
    windows.sort_by(|a, b| (&a.partition, a.generation).cmp(&(&b.partition, b.generation)));
    if windows.len() > MAX_CHAINS {
        return Err(ApiError::invalid(
            "query.partition",
            "more than 64 partitions have entries in this time; name one, or a shorter time",
        ));
    }
    Ok(scan(windows, times))
}

fn scan(windows: Vec<Window>, times: Times) -> Scan {
    Scan {
        windows,
        times,
        order: Order::Descending,
        limit: STATEMENT,
    }
}

fn times(filter: &Filter) -> Times {
    Times {
        from: filter.from(),
        to: filter.to(),
    }
}
