//! What one search looks at in a segment: its columns, and which of its chains are asked for.

use std::time::{Duration, Instant};

use query::Filter;
use tantivy::columnar::{Column, StrColumn};
use tantivy::query::{EnableScoring, Query, Weight};
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, Searcher, SegmentReader, TERMINATED};

use super::schema::{self, CHAIN, RECEIVED_AT, SEQ};
use crate::{Error, Window};

/// The longest that one search takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A search over all segments of one moment.
pub(super) struct Segments<'a> {
    searcher: &'a Searcher,
    weight: Box<dyn Weight>,
    windows: Vec<&'a Window>,
    /// Of receipt, in microseconds: `from <= t < to`.
    from: i64,
    to: i64,
    deadline: Instant,
}

/// One segment that may hold hits.
pub(super) struct Segment<'a> {
    pub(super) reader: &'a SegmentReader,
    received_at: Column<i64>,
    seq: Column<u64>,
    chains: StrColumn,
    /// By the chain's ordinal in this segment: place among the windows, and seqs.
    asked: Vec<Option<(u32, u64, u64)>>,
}

/// A document that matches and lies in a window.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) doc: u32,
    pub(super) received_at: i64,
    /// Place of its chain among the windows, which are in order.
    pub(super) chain: u32,
    pub(super) seq: u64,
}

impl<'a> Segments<'a> {
    pub(super) fn new(
        searcher: &'a Searcher,
        query: &dyn Query,
        filter: &Filter,
        windows: &'a [Window],
    ) -> tantivy::Result<Self> {
        let mut windows: Vec<_> = windows.iter().filter(|w| w.from < w.to).collect();
        windows.sort_by(|a, b| (&a.partition, a.generation).cmp(&(&b.partition, b.generation)));
        Ok(Self {
            searcher,
            weight: query.weight(EnableScoring::disabled_from_searcher(searcher))?,
            windows,
            from: filter.from().map_or(i64::MIN, chain::Timestamp::as_micros),
            to: filter.to().map_or(i64::MAX, chain::Timestamp::as_micros),
            deadline: Instant::now() + PATIENCE,
        })
    }

    pub(super) fn windows(&self) -> &[&'a Window] {
        &self.windows
    }

    /// Those that hold something of the windows and times.
    pub(super) fn segments(&self) -> tantivy::Result<Vec<Segment<'a>>> {
        let mut segments = Vec::new();
        for reader in self.searcher.segment_readers() {
            let columns = reader.fast_fields();
            let Some(chains) = columns.str(CHAIN)? else {
                continue;
            };
            let mut asked = vec![None; chains.num_terms()];
            for (place, window) in (0..).zip(&self.windows) {
                let name = schema::chain(&window.partition, window.generation);
                let ordinal = chains.dictionary().term_ord(name.as_bytes())?;
                if let Some(slot) = ordinal.and_then(|ordinal| asked.get_mut(index(ordinal))) {
                    *slot = Some((place, window.from, window.to));
                }
            }
            let segment = Segment {
                reader,
                received_at: columns.i64(RECEIVED_AT)?,
                seq: columns.u64(SEQ)?,
                chains,
                asked,
            };
            let times = segment.times();
            if segment.asked.iter().any(Option::is_some)
                && times.1 >= self.from
                && times.0 < self.to
            {
                segments.push(segment);
            }
        }
        Ok(segments)
    }

    /// Calls `found` for each hit of the segment whose time of receipt `wanted` takes.
    pub(super) fn visit(
        &self,
        segment: &Segment<'_>,
        mut found: impl FnMut(Found) -> Wanted,
    ) -> Result<(), Error> {
        let mut scorer = self
            .weight
            .scorer(segment.reader, 1.0)
            .map_err(super::failed)?;
        let alive = segment.reader.alive_bitset();
        let mut wanted = Wanted::ALL;
        let mut docs = [TERMINATED; COLLECT_BLOCK_BUFFER_LEN];
        let mut times = [0; COLLECT_BLOCK_BUFFER_LEN];
        loop {
            let count = scorer.fill_buffer(&mut docs);
            let block = &docs[..count];
            segment
                .received_at
                .values
                .get_vals(block, &mut times[..count]);
            for (&doc, &received_at) in block.iter().zip(&times) {
                if !(wanted.from..=wanted.to).contains(&received_at)
                    || received_at < self.from
                    || received_at >= self.to
                    || alive.is_some_and(|alive| alive.is_deleted(doc))
                {
                    continue;
                }
                let ordinal = segment.chains.ords().values.get_val(doc);
                let Some((chain, from, to)) = segment.asked[index(ordinal)] else {
                    continue;
                };
                let seq = segment.seq.values.get_val(doc);
                if (from..to).contains(&seq) {
                    wanted = found(Found {
                        doc,
                        received_at,
                        chain,
                        seq,
                    });
                }
            }
            if count < docs.len() {
                return Ok(());
            }
            if Instant::now() > self.deadline {
                return Err(Error::Unavailable(anyhow::anyhow!(
                    "a search took longer than {PATIENCE:?}"
                )));
            }
        }
    }
}

/// Times of receipt, both ends included, that can still make a difference.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Wanted {
    pub(super) const ALL: Self = Self {
        from: i64::MIN,
        to: i64::MAX,
    };
}

impl Segment<'_> {
    /// The first and the last time of receipt in it.
    pub(super) fn times(&self) -> (i64, i64) {
        (self.received_at.min_value(), self.received_at.max_value())
    }
}

pub(super) fn index(ordinal: u64) -> usize {
    usize::try_from(ordinal).unwrap_or(usize::MAX)
}
