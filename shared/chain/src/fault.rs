//! What is wrong with a post, and where. Never says what to do about it.

use std::borrow::Cow;

use crate::json::Path;

/// One place of a post that the format refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON Pointer (RFC 6901) of the place, `""` for the whole document.
    pub pointer: String,
    /// What is wrong there: lower-case, without a full stop, never quoting what was posted.
    pub message: Cow<'static, str>,
}

/// Faults of one body, each place once.
///
/// What is told stays in proportion to what was posted: beyond the first 100 faults or 64 KiB of pointers each further
/// entry tells its first fault only.
#[derive(Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
    pointers: usize,
    /// Where in `list` the faults of the entry being read begin.
    entry: usize,
}

impl Faults {
    const MOST: usize = 100;
    const MOST_POINTER_BYTES: usize = 64 * 1024;

    pub(crate) fn next_entry(&mut self) {
        self.entry = self.list.len();
    }

    pub(crate) fn in_this_entry(&self) -> bool {
        self.list.len() > self.entry
    }

    pub(crate) fn push(&mut self, at: &Path<'_>, message: impl Into<Cow<'static, str>>) {
        let full = self.list.len() >= Self::MOST || self.pointers >= Self::MOST_POINTER_BYTES;
        if full && self.in_this_entry() {
            return;
        }
        let pointer = at.pointer();
        if self.list[self.entry..]
            .iter()
            .any(|fault| fault.pointer == pointer)
        {
            return;
        }
        self.pointers += pointer.len();
        self.list.push(Fault {
            pointer,
            message: message.into(),
        });
    }

    /// Grows with every fault that is noted.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn into_list(self) -> Vec<Fault> {
        self.list
    }
}
