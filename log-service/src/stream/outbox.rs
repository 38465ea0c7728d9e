//! What a reader took out of his mailbox and is sent in portions, so that between two of them he is heard, and it is
//! looked at whether he may go on.

use std::sync::Arc;
use std::vec::IntoIter;

use super::end::End;
use super::frames::Frame;
use super::mailbox::Taken;

const PORTION_BYTES: usize = 32 << 10;

pub(super) struct Outbox {
    frames: IntoIter<Arc<Frame>>,
    end: Option<End>,
}

impl From<Taken> for Outbox {
    fn from(taken: Taken) -> Self {
        Self {
            frames: taken.frames.into_iter(),
            end: taken.end,
        }
    }
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.len() == 0
    }

    /// After all frames.
    pub(super) fn end(&self) -> Option<End> {
        self.end.filter(|_| self.is_empty())
    }

    /// The next frames, at least one where there is one.
    pub(super) fn portion(&mut self) -> Vec<Arc<Frame>> {
        let mut portion = Vec::new();
        let mut bytes = 0;
        while bytes < PORTION_BYTES
            && let Some(frame) = self.frames.next()
        {
            bytes += frame.text.len();
            portion.push(frame);
        }
        portion
    }
}
