//! One page of a list as it grows: the second check of what was found, and the answer's text. It never
//! reads anything.

use chain::{Mask, Stored};
use ledger::Window;
use query::{Cursor, Question, Remaining};
use serde_json::json;

const MAX_BYTES: usize = 8 << 20;

pub(super) struct Page<'a> {
    question: &'a Question,
    mask: Mask,
    entries: String,
    pub(super) count: usize,
    /// Rows that are not what was recorded: shown as that, so that neither they nor one forged
    /// row keeps a reader from the rest.
    unreadable: Vec<serde_json::Value>,
}

impl<'a> Page<'a> {
    pub(super) fn new(question: &'a Question, mask: Mask) -> Self {
        Self {
            question,
            mask,
            entries: String::new(),
            count: 0,
            unreadable: Vec::new(),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.count < self.question.limit && self.entries.len() < MAX_BYTES
    }

    /// Entries that it takes at most.
    pub(super) fn room(&self) -> usize {
        self.question.limit - self.count
    }

    pub(super) fn take(&mut self, row: &Stored) {
        match self
            .question
            .filter
            .matches(&row.event, row.parts.as_deref(), self.mask)
        {
            Ok(false) => return,
            Ok(true) => {
                if let Ok(form) = row.reading_form(self.mask) {
                    if self.count > 0 {
                        self.entries.push(',');
                    }
                    self.entries.push_str(&form);
                    self.count += 1;
                    return;
                }
            }
            Err(_) => {}
        }
        self.unreadable.push(json!({
            "partition": row.partition,
            "generation": row.generation,
            "seq": row.seq,
        }));
    }

    /// `left`: what the next page begins with. A page that could not be filled says so.
    pub(super) fn end(self, left: &[Window]) -> String {
        let cursor = Cursor {
            remaining: left
                .iter()
                .filter(|window| window.from < window.to)
                .map(|window| Remaining {
                    partition: window.partition.clone(),
                    generation: window.generation,
                    from: window.from,
                    to: window.to,
                })
                .collect(),
        };
        let next = (!cursor.remaining.is_empty())
            .then(|| cursor.encode(&self.question.filter, self.question.order));
        let complete = next.is_none() || self.count == self.question.limit;
        let mut body = format!(
            "{{\"entries\":[{}],\"next\":{},\"complete\":{complete}",
            self.entries,
            json!(next)
        );
        if !self.unreadable.is_empty() {
            body.push_str(",\"unreadable\":");
            body.push_str(&json!(self.unreadable).to_string());
        }
        body.push('}');
        body
    }
}
