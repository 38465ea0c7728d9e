//! Rows of the ledger as documents of the index. No I/O: what a page becomes follows from the page.

use chain::Timestamp;
use ledger::follow::Read;
use ledger::{Cursor, Unindexed};
use query::{Document, Kept};

/// One bulk, and where the cursor is after it.
pub(crate) struct Batch {
    pub(crate) documents: Vec<Document>,
    /// What no document can be made of.
    pub(crate) unindexed: Vec<Unindexed>,
    pub(crate) after: Cursor,
}

impl Batch {
    /// Of the rows that were read from `cursor` on when the chain went to `to`. A seq without a row
    /// will never have one: it is noted and passed over.
    pub(crate) fn of(cursor: &Cursor, to: u64, rows: &[Read]) -> Self {
        let mut batch = Self {
            documents: Vec::with_capacity(rows.len()),
            unindexed: Vec::new(),
            after: cursor.clone(),
        };
        for row in rows {
            batch.missing(row.seq);
            batch.add(row);
        }
        if rows.is_empty() {
            batch.missing(to);
        }
        batch
    }

    fn add(&mut self, row: &Read) {
        self.after.next = self.after.next.max(row.seq + 1);
        let Some(received_at) = row.received_at else {
            self.note(row.seq, "the stored received_at cannot be read".to_owned());
            return;
        };
        self.after.received_at = self.after.received_at.max(received_at);
        match self.document(row, received_at) {
            Ok(document) => self.documents.push(document),
            // Says which column, and nothing of what is in it.
            Err(unreadable) => self.note(row.seq, unreadable.to_string()),
        }
    }

    fn document(&self, row: &Read, received_at: Timestamp) -> Result<Document, query::Unindexable> {
        Document::of(Kept {
            partition: &self.after.partition,
            generation: self.after.generation,
            seq: row.seq,
            received_at,
            event: &row.event,
            parts: row.parts.as_deref(),
            residue: row.residue.as_deref(),
        })
    }

    /// Everything before `seq` that had no row.
    fn missing(&mut self, seq: u64) {
        let first = self.after.next;
        if first < seq {
            let last = seq - 1;
            self.note(first, format!("entries {first} to {last} are not there"));
            self.after.next = seq;
        }
    }

    fn note(&mut self, seq: u64, reason: String) {
        self.unindexed.push(Unindexed {
            tenant: self.after.tenant,
            partition: self.after.partition.clone(),
            generation: self.after.generation,
            seq,
            reason,
        });
    }
}
