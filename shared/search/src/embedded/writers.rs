//! Few writers for many indices: each takes memory and threads. One that was used stays open for a
//! while, and gives way to another index when there are too many. It never lets two write to one index.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tantivy::IndexWriter;
use tokio::sync::Notify;

use super::Key;
use super::index::close;
use crate::Error;

/// Writers that are open at once.
const MOST: usize = 8;
const IDLE: Duration = Duration::from_mins(1);

#[derive(Default)]
pub(super) struct Writers {
    held: Mutex<Held>,
    changed: Notify,
}

#[derive(Default)]
struct Held {
    /// Nobody is to write any more.
    ended: bool,
    /// Indices that somebody writes to, or whose writer is being closed.
    busy: HashSet<Key>,
    warm: Vec<Warm>,
}

struct Warm {
    key: Key,
    writer: IndexWriter,
    since: Instant,
}

/// The right to write to one index. Others have it after it is dropped.
pub(super) struct Turn {
    writers: Arc<Writers>,
    key: Key,
    /// The writer that was open already; what is in here at the end stays open.
    writer: Option<IndexWriter>,
}

impl Turn {
    /// The writer that was open already.
    pub(super) fn take(&mut self) -> Option<IndexWriter> {
        self.writer.take()
    }

    /// Closes the writer that was open already.
    pub(super) fn close(&mut self) {
        if let Some(writer) = self.writer.take() {
            close(writer);
        }
    }

    /// Leaves a writer open for the next turn.
    pub(super) fn keep(&mut self, writer: IndexWriter) {
        self.writer = Some(writer);
    }
}

impl Writers {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// The writers have ended.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.held().ended {
            return Err(Error::Unavailable(anyhow::anyhow!("the index is closed")));
        }
        Ok(())
    }

    /// Waits until nobody writes to the index, and a writer may be opened.
    ///
    /// # Errors
    /// The writers have ended.
    pub(super) async fn turn(self: &Arc<Self>, key: Key) -> Result<Turn, Error> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            self.check()?;
            if let Some(turn) = self.take(key) {
                return Ok(turn);
            }
            changed.await;
        }
    }

    /// Nobody begins to write after this, and nobody writes when it returns. Merges are given up.
    pub(super) async fn end(self: &Arc<Self>) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let (warm, quiet) = {
                let mut held = self.held();
                held.ended = true;
                (std::mem::take(&mut held.warm), held.busy.is_empty())
            };
            // Which waits for the writers' threads.
            let dropped = tokio::task::spawn_blocking(move || drop(warm));
            if let Err(error) = dropped.await {
                tracing::warn!(%error, "a writer of the search index failed");
            }
            if quiet {
                return;
            }
            changed.await;
        }
    }

    fn take(self: &Arc<Self>, key: Key) -> Option<Turn> {
        let mut held = self.held();
        if held.ended || held.busy.contains(&key) {
            return None;
        }
        let own = held.warm.iter().position(|warm| warm.key == key);
        let writer = own.map(|place| held.warm.swap_remove(place).writer);
        if writer.is_none() && held.busy.len() + held.warm.len() >= MOST {
            let oldest = held.warm.iter().min_by_key(|warm| warm.since);
            let oldest = oldest.map(|warm| warm.key);
            drop(held);
            // Its place is free when it is closed.
            self.close(|warm| Some(warm) == oldest);
            return None;
        }
        held.busy.insert(key);
        Some(Turn {
            writers: Arc::clone(self),
            key,
            writer,
        })
    }

    /// Closes writers that nobody uses; the indices are busy until it is done.
    fn close(self: &Arc<Self>, which: impl Fn(Key) -> bool) {
        let closing: Vec<_> = {
            let mut held = self.held();
            let closing: Vec<_> = held.warm.extract_if(.., |warm| which(warm.key)).collect();
            held.busy.extend(closing.iter().map(|warm| warm.key));
            closing
        };
        for warm in closing {
            let turn = Turn {
                writers: Arc::clone(self),
                key: warm.key,
                writer: None,
            };
            tokio::task::spawn_blocking(move || {
                close(warm.writer);
                drop(turn);
            });
        }
    }

    /// Closes what was not used for a while.
    pub(super) fn rest(self: &Arc<Self>) {
        let idle: HashSet<Key> = {
            let held = self.held();
            let idle = held.warm.iter().filter(|warm| warm.since.elapsed() >= IDLE);
            idle.map(|warm| warm.key).collect()
        };
        self.close(|key| idle.contains(&key));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut held = self.writers.held();
        held.busy.remove(&self.key);
        if let Some(writer) = self.writer.take() {
            held.warm.push(Warm {
                key: self.key,
                writer,
                since: Instant::now(),
            });
        }
        drop(held);
        self.writers.changed.notify_waiters();
    }
}
