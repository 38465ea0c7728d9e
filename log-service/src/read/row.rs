//! An entry as a page takes it: checked against what was asked, and rendered. It never reads anything.

use chain::{Mask, Stored, Timestamp};
use query::Question;

pub(super) struct Row {
    pub(super) partition: String,
    pub(super) generation: u32,
    pub(super) seq: u64,
    pub(super) received_at: Timestamp,
    pub(super) shown: Shown,
}

/// What the reader gets of it.
pub(super) enum Shown {
    /// The reading form.
    Form(String),
    /// It is not what was asked for.
    Nothing,
    /// That it is not what was recorded.
    Unreadable,
}

impl Row {
    pub(super) fn new(entry: Stored, question: &Question, mask: Mask) -> Self {
        Self {
            shown: shown(&entry, question, mask),
            partition: entry.partition,
            generation: entry.generation,
            seq: entry.seq,
            received_at: entry.received_at,
        }
    }
}

fn shown(entry: &Stored, question: &Question, mask: Mask) -> Shown {
    let filter = &question.filter;
    match filter.matches(&entry.event, entry.parts.as_deref(), mask) {
        Ok(false) => Shown::Nothing,
        Ok(true) => entry
            .reading_form(mask)
            .map_or(Shown::Unreadable, Shown::Form),
        Err(_) => Shown::Unreadable,
    }
}
