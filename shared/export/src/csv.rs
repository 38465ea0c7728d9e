//! The CSV form: one row an entry, a fixed set of columns, cells that no spreadsheet takes for a
//! formula. It shows what the reading form shows, and nothing else.

mod cell;
mod row;

use chain::{Corrupt, Mask, Stored};

use self::row::Row;

const BUFFER: usize = 64 << 10;

/// The columns, in their order. New ones are only ever added at the end.
///
/// Objects and lists are canonical JSON. What an entry does not have is an empty cell. Of several
/// targets the first has columns of its own; `targets` has all.
pub const COLUMNS: [&str; 42] = [
    "tenant",
    "partition",
    "generation",
    "seq",
    "received_at",
    "occurred_at",
    "id",
    "action",
    "action_version",
    "activity",
    "severity",
    "outcome",
    "outcome_code",
    "outcome_reason",
    "actor_type",
    "actor_id",
    "actor_name",
    "actor_email",
    "actor_metadata",
    "on_behalf_of",
    "recorded_by",
    "target_type",
    "target_id",
    "target_name",
    "targets",
    "ip",
    "user_agent",
    "session_id",
    "request_id",
    "trace_id",
    "span_id",
    "location",
    "correlation_id",
    "causation_id",
    "description",
    "changes",
    "labels",
    "metadata",
    "attachments",
    "erased",
    "hash",
    "previous",
];

/// A table that grows behind what is in a buffer.
pub(crate) struct Table<'a> {
    writer: csv::Writer<&'a mut Vec<u8>>,
    cell: String,
    number: itoa::Buffer,
}

pub(crate) fn header(out: &mut Vec<u8>) {
    let mut table = Table::new(out);
    for name in COLUMNS {
        table.text(name);
    }
    table.end_row();
}

impl<'a> Table<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        let writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .buffer_capacity(BUFFER)
            .from_writer(out);
        Self {
            writer,
            cell: String::new(),
            number: itoa::Buffer::new(),
        }
    }

    /// One entry.
    ///
    /// # Errors
    /// Its texts are not those of the format; nothing of it was written then.
    pub(crate) fn row(&mut self, stored: &Stored, mask: Mask) -> Result<(), Corrupt> {
        let form = stored.reading_form(mask)?;
        let row: Row<'_> = serde_json::from_str(&form).map_err(|_| Corrupt {
            column: "event",
            message: "not an event of the format",
        })?;
        row.write(self);
        self.end_row();
        Ok(())
    }

    /// A cell; never a formula.
    fn text(&mut self, text: &str) {
        let safe = cell::escaped(text, &mut self.cell);
        put(&mut self.writer, safe.as_bytes());
    }

    fn number(&mut self, number: u64) {
        put(&mut self.writer, self.number.format(number).as_bytes());
    }

    fn end_row(&mut self) {
        self.writer
            .write_record(None::<&[u8]>)
            .expect("memory takes every byte, and all rows have the same columns");
    }
}

fn put(writer: &mut csv::Writer<&mut Vec<u8>>, field: &[u8]) {
    writer.write_field(field).expect("memory takes every byte");
}
