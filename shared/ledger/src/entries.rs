//! Entries on their way to a lane, hashed as far as they can be before they have their places: outside of the lane,
//! which everybody waits for.

use std::ops::Deref;
use std::sync::Arc;

use chain::{Entry, Prepared, Salt};
use rand::Rng as _;

/// Entries of one request, in order, each with a fresh salt.
pub struct Entries {
    pub(crate) entries: Arc<[Entry]>,
    /// Of each entry.
    pub(crate) prepared: Arc<[Prepared]>,
}

impl Entries {
    /// Hashes: some microseconds for each entry. Many belong on a thread that nobody waits for.
    pub fn new(entries: Vec<Entry>) -> Self {
        // From the thread's generator, which the operating system seeds: asking the system itself for each salt would
        // cost as much as hashing the entry.
        let mut random = rand::rng();
        let prepare = |entry: &Entry| {
            let mut bytes = [0; 16];
            random.fill_bytes(&mut bytes);
            Prepared::new(entry, Salt(bytes))
        };
        Self {
            prepared: entries.iter().map(prepare).collect(),
            entries: Arc::from(entries),
        }
    }
}

impl Deref for Entries {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        &self.entries
    }
}
