//! Entries that may be asked for, in order, from two sources: the index, as far as it is, and the ledger
//! from there to its head, so that no committed entry is missed. What the index says is read again from
//! the ledger. Without an index, or when it fails, the ledger is the only source.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use chain::Stored;
use ledger::{Scan, Window};
use query::{Cursor, MAX_CHAINS, Order};
use service::ApiError;

use super::asking::{Asking, STATEMENT};
use super::extent::Extent;
use super::found::Found;
use super::row::Row;
use super::visible;

pub(super) struct Find<'a> {
    asking: Asking<'a>,
    /// Everything that is left, whoever finds it.
    whole: Scan,
    /// What the index finds; none: the ledger answers alone.
    found: Option<Found>,
    /// What the ledger alone is asked for.
    tail: Scan,
    rows: VecDeque<Stored>,
    read_out: bool,
    /// Rows that were read.
    pub(super) read: usize,
}

impl<'a> Find<'a> {
    /// Everything up to the heads of this moment. The index can be asked before they are known, for all that
    /// it has: they are read while it works.
    pub(super) async fn up_to_the_heads(asking: Asking<'a>) -> Result<Self, ApiError> {
        let Some(extent) = asking.extent().await? else {
            let (_, whole) = asking.heads(asking.view().await?).await?;
            return Ok(Self::over(asking, whole));
        };
        let Some(mut found) = everywhere(&asking, &extent) else {
            let (_, whole) = asking.heads(asking.view().await?).await?;
            return Ok(Self::shared(asking, whole, &extent));
        };
        let ahead = async {
            // The question goes out first.
            tokio::task::yield_now().await;
            match asking.view_ahead().await? {
                Some(view) => asking.heads(view).await.map(Some),
                None => Ok(None),
            }
        };
        let asked = found.ask(&asking, asking.question.limit);
        let (answered, ahead) = tokio::try_join!(asked, ahead)?;
        let (mut view, whole) = match ahead {
            Some(ahead) => ahead,
            None => asking.heads(asking.view().await?).await?,
        };
        if !answered {
            return Ok(Self::over(asking, whole));
        }
        let read = found.read(&asking, &mut view).await?;
        drop(view);
        let mut find = Self::over(asking, whole);
        if let Some(read) = read {
            found.narrow(find.share(&extent));
            find.found = Some(found);
            find.read = read;
        }
        Ok(find)
    }

    /// What a page before left over.
    pub(super) async fn left_over(asking: Asking<'a>, cursor: &Cursor) -> Result<Self, ApiError> {
        let left = asking.left_over(cursor);
        Ok(match asking.extent().await? {
            Some(extent) => Self::shared(asking, left, &extent),
            None => Self::over(asking, left),
        })
    }

    /// The ledger answers alone.
    fn over(asking: Asking<'a>, whole: Scan) -> Self {
        Self {
            asking,
            found: None,
            tail: whole.clone(),
            whole,
            rows: VecDeque::new(),
            read_out: false,
            read: 0,
        }
    }

    fn shared(asking: Asking<'a>, whole: Scan, extent: &Arc<Extent>) -> Self {
        let mut find = Self::over(asking, whole);
        let windows = find.share(extent);
        find.found = (!windows.is_empty()).then(|| Found::new(windows, extent));
        find
    }

    /// Leaves the rest to the ledger; gives what the index has.
    fn share(&mut self, extent: &Extent) -> Vec<search::Window> {
        let mut windows = Vec::new();
        for window in &mut self.tail.windows {
            let next = extent.next(&window.partition, window.generation);
            let middle = next.clamp(window.from, window.to);
            if window.from < middle {
                windows.push(search::Window {
                    partition: window.partition.clone(),
                    generation: window.generation,
                    from: window.from,
                    to: middle,
                });
            }
            window.from = middle;
        }
        windows
    }

    /// What is left to look for.
    pub(super) fn left(&self) -> &[Window] {
        &self.whole.windows
    }

    /// The next entry in order; `room` is how many the caller will take.
    pub(super) async fn next(&mut self, room: usize) -> Result<Option<Row>, ApiError> {
        self.fill(room).await?;
        if self.rows.is_empty() && !self.read_out {
            self.scan(room).await?;
        }
        let found = self.found.as_ref().and_then(|found| found.rows.front());
        let first = match (found, self.rows.front()) {
            (Some(found), Some(entry)) => order(found, entry) == self.direction(),
            (found, _) => found.is_some(),
        };
        let row = match &mut self.found {
            Some(found) if first => found.rows.pop_front(),
            _ => self.rows.pop_front().map(|entry| self.asking.row(entry)),
        };
        match &row {
            Some(row) => self.whole.consume(&row.partition, row.generation, row.seq),
            None => self.whole.windows.clear(),
        }
        Ok(row)
    }

    fn direction(&self) -> Ordering {
        match self.asking.question.order {
            Order::Ascending => Ordering::Less,
            Order::Descending => Ordering::Greater,
        }
    }

    /// Has an entry that the index found, if it has one.
    async fn fill(&mut self, room: usize) -> Result<(), ApiError> {
        while let Some(found) = &mut self.found
            && found.rows.is_empty()
            && !found.is_over()
        {
            let Some(read) = found.go_on(&self.asking, room).await? else {
                self.without_index();
                break;
            };
            self.read += read;
        }
        Ok(())
    }

    /// From here on the ledger answers alone.
    fn without_index(&mut self) {
        self.found = None;
        self.rows.clear();
        self.read_out = false;
        self.tail = self.whole.clone();
    }

    async fn scan(&mut self, room: usize) -> Result<(), ApiError> {
        let tail = &mut self.tail;
        if tail.windows.iter().all(|window| window.from >= window.to) {
            self.read_out = true;
            return Ok(());
        }
        // Where every entry is asked for, more than there is room for would be read for nothing.
        if self.asking.question.filter.is_whole() {
            let room = u32::try_from(room).unwrap_or(u32::MAX);
            tail.limit.rows = room.clamp(1, STATEMENT.rows);
        }
        let rows = self.asking.scan(tail).await?;
        self.read_out = rows.is_empty();
        self.read += rows.len();
        for row in &rows {
            tail.consume(&row.partition, row.generation, row.seq);
        }
        self.rows = rows.into();
        Ok(())
    }
}

/// All that the index has of what is asked for, whatever the ledger says of it; `None` where that is nothing,
/// or too much to ask for at once.
fn everywhere(asking: &Asking<'_>, extent: &Arc<Extent>) -> Option<Found> {
    let named = asking.question.filter.partition();
    let windows = extent.windows(|partition| {
        named.is_none_or(|named| named == partition) && visible(asking.caller, partition)
    });
    (1..=MAX_CHAINS)
        .contains(&windows.len())
        .then(|| Found::new(windows, extent))
}

/// As the ledger orders a list.
fn order(row: &Row, entry: &Stored) -> Ordering {
    let times = row.received_at.cmp(&entry.received_at);
    times
        .then_with(|| row.partition.cmp(&entry.partition))
        .then_with(|| (row.generation, row.seq).cmp(&(entry.generation, entry.seq)))
}
