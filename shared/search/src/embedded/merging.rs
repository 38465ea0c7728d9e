//! Which segments are made into one, and when: half of the work of indexing, and the half that can wait.

use tantivy::SegmentMeta;
use tantivy::indexer::{LogMergePolicy, MergeCandidate, MergePolicy};

use crate::Busy;

/// Segments with more documents are not merged any further, so that a page has to look at the newest
/// segments only. Eight of just fewer make one of a million.
const MERGED_BELOW: usize = 130_000;
/// Segments from which on nothing is put off: a search looks at all of them.
const MOST_SEGMENTS: usize = 64;

#[derive(Debug)]
pub(super) struct Merging {
    policy: LogMergePolicy,
    busy: Busy,
}

impl Merging {
    pub(super) fn new(busy: Busy) -> Self {
        let mut policy = LogMergePolicy::default();
        policy.set_max_docs_before_merge(MERGED_BELOW);
        Self { policy, busy }
    }
}

impl MergePolicy for Merging {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        if self.busy.is() && segments.len() < MOST_SEGMENTS {
            return Vec::new();
        }
        self.policy.compute_merge_candidates(segments)
    }
}
