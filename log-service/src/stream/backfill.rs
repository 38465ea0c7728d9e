//! What the ledger has from a reader's position on, page by page as fast as he takes it. It reads
//! as the tenant, through the ledger's views, and holds nothing between two pages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ledger::{Limit, Order, Scan, Tenant, Times, Window};
use tokio::time::Instant;

use super::audience::Audience;
use super::end::End;
use super::frames::{Frame, Stretch};
use super::room::Share;
use super::tailer::Positions;
use crate::State;

const PAGE_ROWS: u32 = 256;
const PAGE_BYTES: usize = 1 << 20;
/// A round of fewer rows leaves so little behind that the tailer can take over.
const CLOSE: usize = 1_000;
/// Beyond every seq: the rest of a generation that was closed, whose length nobody keeps.
const BEYOND: u64 = 1 << 53;
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Of each partition, generation and seq to go on with.
pub(super) type Read = BTreeMap<Arc<str>, (u32, u64)>;

pub(super) struct Backfill {
    read: Read,
    /// Where to stop; absent: at the heads, which move on meanwhile.
    until: Option<Positions>,
    /// Up to the heads as they were when it began.
    round: Option<Scan>,
    rows: usize,
    /// The last round that ended was short, and nothing is known to be left.
    close: bool,
    beat_at: Instant,
    share: Share,
}

impl Backfill {
    pub(super) fn new(read: Read, share: Share) -> Self {
        Self {
            read,
            until: None,
            round: None,
            rows: 0,
            close: false,
            beat_at: Instant::now() + HEARTBEAT,
            share,
        }
    }

    pub(super) fn up_to(read: Read, until: Positions, share: Share) -> Self {
        Self {
            until: Some(until),
            ..Self::new(read, share)
        }
    }

    pub(super) fn read(&self) -> &Read {
        &self.read
    }

    /// Whether so little is left that the tailer can take over.
    pub(super) fn is_close(&self) -> bool {
        self.close
    }

    /// Whether everything up to `until` was read.
    pub(super) fn is_done(&self) -> bool {
        let mut until = self.until.iter().flatten();
        until.all(|(name, generation, next)| self.at(name) >= (*generation, *next))
    }

    pub(super) fn until(&mut self) -> Positions {
        self.until.take().unwrap_or_default()
    }

    fn at(&self, partition: &str) -> (u32, u64) {
        self.read.get(partition).copied().unwrap_or((1, 0))
    }

    /// One page. Cancel-safe: what was not given out is read again.
    pub(super) async fn page(
        &mut self,
        state: &State,
        tenant: &Tenant,
        audience: &Audience,
    ) -> Result<Vec<Arc<Frame>>, End> {
        let Ok(_permit) = state.streams().reading.acquire().await else {
            return Err(End::Stopping);
        };
        if self.round.is_none() {
            let windows = self.windows(state, tenant, audience).await?;
            self.begin_round(windows);
        }
        let mut frames = Vec::new();
        let Some(scan) = &mut self.round else {
            return Ok(frames);
        };
        scan.limit = page(&self.share);
        match state.ledger().by_time(tenant, scan).await {
            Ok(rows) if rows.is_empty() => self.end_round(audience, &mut frames),
            Ok(rows) => {
                self.rows += rows.len();
                for row in rows {
                    self.entry(audience, &row, &mut frames);
                }
            }
            Err(ledger::Error::Damaged { partition, seq, .. }) => {
                self.damaged(audience, &partition, seq.cast_unsigned(), &mut frames)?;
            }
            Err(error) => return Err(unavailable(error)),
        }
        if frames.is_empty() && Instant::now() >= self.beat_at {
            frames.push(Arc::new(Frame::heartbeat(&self.cursor(audience), true)));
        }
        if !frames.is_empty() {
            self.beat_at = Instant::now() + HEARTBEAT;
        }
        Ok(frames)
    }

    /// What is to be read: up to `until`, or up to the heads of this moment.
    async fn windows(
        &mut self,
        state: &State,
        tenant: &Tenant,
        audience: &Audience,
    ) -> Result<Vec<Window>, End> {
        let until = if let Some(until) = &self.until {
            until.clone()
        } else {
            let named = audience.filter.partition().map(str::to_owned);
            let named: Vec<_> = named.into_iter().collect();
            let heads = state.ledger().windows(tenant, &named, Times::default());
            let heads = heads.await.map_err(unavailable)?;
            let covered = heads.iter().filter(|head| audience.covers(&head.partition));
            covered
                .map(|head| (head.partition.as_str().into(), head.generation, head.to))
                .collect()
        };
        let mut windows = Vec::new();
        for (name, generation, to) in until {
            let (own, from) = self.at(&name);
            if (own, from) > (generation, to) {
                return Err(End::RollbackDetected);
            }
            let to = if own < generation { BEYOND } else { to };
            if from < to {
                windows.push(Window {
                    partition: (*name).to_owned(),
                    generation: own,
                    from,
                    to,
                });
            }
        }
        Ok(windows)
    }

    fn begin_round(&mut self, windows: Vec<Window>) {
        self.rows = 0;
        self.close = windows.is_empty();
        self.round = (!self.close).then_some(Scan {
            windows,
            times: Times::default(),
            order: Order::Ascending,
            limit: page(&self.share),
        });
    }

    /// Nothing is there any more: of a closed generation its end, otherwise a gap.
    fn end_round(&mut self, audience: &Audience, frames: &mut Vec<Arc<Frame>>) {
        let windows = self.round.take().map(|scan| scan.windows);
        let mut next_generation = false;
        for window in windows.into_iter().flatten() {
            let name: Arc<str> = window.partition.as_str().into();
            if window.to == BEYOND {
                next_generation = true;
                self.read.insert(name, (window.generation + 1, 0));
            } else if window.from < window.to {
                self.gap(audience, &name, window.generation, window.to, frames);
            }
        }
        self.close = self.rows <= CLOSE && !next_generation;
    }

    fn entry(&mut self, audience: &Audience, row: &chain::Stored, frames: &mut Vec<Arc<Frame>>) {
        if let Some(scan) = &mut self.round {
            scan.consume(&row.partition, row.generation, row.seq);
        }
        let name: Arc<str> = row.partition.as_str().into();
        let (_, next) = self.at(&name);
        if next < row.seq {
            self.gap(audience, &name, row.generation, row.seq, frames);
        }
        self.read
            .insert(Arc::clone(&name), (row.generation, row.seq + 1));
        let readable = match audience.wants(row) {
            Ok(false) => return,
            wanted => wanted.is_ok(),
        };
        let cursor = self.cursor(audience);
        let entry = readable.then(|| Frame::entry(row, audience.mask, &cursor));
        let frame = entry.and_then(Result::ok).unwrap_or_else(|| {
            let stretch = Stretch {
                partition: name,
                generation: row.generation,
                from: row.seq,
                to: row.seq + 1,
            };
            Frame::unreadable(&stretch, &cursor)
        });
        frames.push(Arc::new(frame.counted(&self.share)));
    }

    /// A row that is none of ours spoils its page: what is before it is read first, then it is told
    /// and passed over, and the next round goes on behind it.
    fn damaged(
        &mut self,
        audience: &Audience,
        partition: &str,
        seq: u64,
        frames: &mut Vec<Arc<Frame>>,
    ) -> Result<(), End> {
        let windows = self.round.iter_mut().flat_map(|scan| &mut scan.windows);
        let window = windows
            .filter(|window| window.partition == partition)
            .find(|window| (window.from..window.to).contains(&seq));
        let Some(window) = window else {
            return Err(End::Refused {
                code: "internal",
                status: 500,
            });
        };
        if window.from < seq {
            window.to = seq;
        } else {
            window.from = seq + 1;
            let generation = window.generation;
            self.gap(audience, &partition.into(), generation, seq + 1, frames);
        }
        Ok(())
    }

    /// Says that what is between here and `to` cannot be read.
    fn gap(
        &mut self,
        audience: &Audience,
        partition: &Arc<str>,
        generation: u32,
        to: u64,
        frames: &mut Vec<Arc<Frame>>,
    ) {
        let (_, from) = self.at(partition);
        self.read.insert(Arc::clone(partition), (generation, to));
        let stretch = Stretch {
            partition: Arc::clone(partition),
            generation,
            from,
            to,
        };
        let cursor = self.cursor(audience);
        frames.push(Arc::new(Frame::unreadable(&stretch, &cursor)));
    }

    fn cursor(&self, audience: &Audience) -> Arc<str> {
        let chains = self.read.iter();
        audience.cursor(chains.map(|(name, at)| (&**name, at.0, at.1)))
    }
}

/// As much as there is room for.
fn page(share: &Share) -> Limit {
    Limit {
        rows: PAGE_ROWS,
        bytes: share.limit().min(PAGE_BYTES) as u64,
    }
}

fn unavailable(error: ledger::Error) -> End {
    End::refused(&crate::state::unanswered(error))
}
