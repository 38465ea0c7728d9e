//! What an index is told of the machine that it shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether there is something more urgent to do than what the embedded index can put off. Clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct Busy(Arc<AtomicBool>);

impl Busy {
    pub fn set(&self, busy: bool) {
        self.0.store(busy, Ordering::Relaxed);
    }

    pub(crate) fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
