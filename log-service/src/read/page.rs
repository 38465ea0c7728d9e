//! One page of a list as it grows: the answer's text. It never reads anything.

use ledger::Window;
use query::{Cursor, Question, Remaining};
use serde_json::json;

use super::row::{Row, Shown};

const MAX_BYTES: usize = 8 << 20;
/// What there is room for from the start, so that a usual page is not copied as it grows: entries of this
/// size, and no more than so many.
const ENTRY_BYTES: usize = 1 << 10;
const ENTRIES: usize = 64;

pub(super) struct Page<'a> {
    question: &'a Question,
    /// The answer as far as it is.
    body: String,
    pub(super) count: usize,
    /// Rows that are not what was recorded: shown as that, so that neither they nor one forged
    /// row keeps a reader from the rest.
    unreadable: Vec<serde_json::Value>,
}

impl<'a> Page<'a> {
    pub(super) fn new(question: &'a Question) -> Self {
        let mut body = String::with_capacity(question.limit.min(ENTRIES) * ENTRY_BYTES);
        body.push_str("{\"entries\":[");
        Self {
            question,
            body,
            count: 0,
            unreadable: Vec::new(),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.count < self.question.limit && self.body.len() < MAX_BYTES
    }

    /// Entries that it takes at most.
    pub(super) fn room(&self) -> usize {
        self.question.limit - self.count
    }

    pub(super) fn take(&mut self, row: &Row) {
        match &row.shown {
            Shown::Form(form) => {
                if self.count > 0 {
                    self.body.push(',');
                }
                self.body.push_str(form);
                self.count += 1;
            }
            Shown::Nothing => {}
            Shown::Unreadable => self.unreadable.push(json!({
                "partition": row.partition,
                "generation": row.generation,
                "seq": row.seq,
            })),
        }
    }

    /// `left`: what the next page begins with. A page that could not be filled says so.
    pub(super) fn end(mut self, left: &[Window]) -> String {
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
        let last = format!("],\"next\":{},\"complete\":{complete}", json!(next));
        self.body.push_str(&last);
        if !self.unreadable.is_empty() {
            self.body.push_str(",\"unreadable\":");
            self.body.push_str(&json!(self.unreadable).to_string());
        }
        self.body.push('}');
        self.body
    }
}
