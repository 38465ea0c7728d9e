//! What waits for one reader, bounded in frames and bytes. Whoever puts never waits: what finds no
//! room is noted as missed, so that a slow reader is told what he missed and delays nobody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::end::End;
use super::frames::{Frame, Stretch};

/// Of one reader.
pub(super) const FRAMES: usize = 2_048;
const BYTES: usize = 4 << 20;
/// Of all readers of this process; frames that readers share are counted for each.
const ALL_BYTES: usize = 256 << 20;

/// The bytes that wait for all readers.
pub(crate) type Budget = Arc<AtomicUsize>;

pub(crate) struct Mailbox {
    held: Mutex<Held>,
    filled: Notify,
    budget: Budget,
}

#[derive(Default)]
struct Held {
    frames: Vec<Arc<Frame>>,
    bytes: usize,
    /// By partition and generation. While there is something, nothing is put behind it.
    missed: BTreeMap<(Arc<str>, u32), (u64, u64)>,
    /// Behind the last that was missed.
    missed_cursor: Option<Arc<str>>,
    end: Option<End>,
}

/// What was there, in the order to be sent.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) frames: Vec<Arc<Frame>>,
    /// After all of them.
    pub(crate) end: Option<End>,
}

impl Taken {
    pub(crate) fn end(end: End) -> Self {
        Self {
            frames: Vec::new(),
            end: Some(end),
        }
    }
}

impl Mailbox {
    pub(crate) fn new(budget: Budget) -> Self {
        Self {
            held: Mutex::default(),
            filled: Notify::new(),
            budget,
        }
    }

    /// An entry, or what is said in the place of some.
    pub(crate) fn put(&self, frame: &Arc<Frame>, stretch: &Stretch) {
        let mut held = self.held();
        let room = held.missed.is_empty()
            && held.frames.len() < FRAMES
            && held.bytes < BYTES
            && self.budget.load(Ordering::Relaxed) < ALL_BYTES;
        if room {
            let first = held.frames.is_empty();
            self.push(&mut held, frame);
            drop(held);
            if first {
                self.filled.notify_one();
            }
            return;
        }
        let chain = (Arc::clone(&stretch.partition), stretch.generation);
        let missed = held
            .missed
            .entry(chain)
            .or_insert((stretch.from, stretch.to));
        missed.1 = missed.1.max(stretch.to);
        held.missed_cursor.clone_from(&frame.cursor);
        drop(held);
        metrics::counter!("stream_entries_lagged_total").increment(1);
    }

    /// A sign of life, for a reader that has nothing better to read.
    pub(crate) fn beat(&self, frame: &Arc<Frame>) {
        let mut held = self.held();
        if held.frames.is_empty() && held.missed.is_empty() {
            self.push(&mut held, frame);
            drop(held);
            self.filled.notify_one();
        }
    }

    /// Before everything that waits already.
    pub(crate) fn first(&self, frame: &Arc<Frame>) {
        let mut held = self.held();
        let bytes = frame.text.len();
        self.budget.fetch_add(bytes, Ordering::Relaxed);
        held.bytes += bytes;
        held.frames.insert(0, Arc::clone(frame));
        drop(held);
        self.filled.notify_one();
    }

    /// Nothing comes any more.
    pub(crate) fn end(&self, end: End) {
        self.held().end.get_or_insert(end);
        self.filled.notify_one();
    }

    /// All that waits, as soon as there is something. Cancel-safe.
    pub(crate) async fn take(&self) -> Taken {
        loop {
            let filled = self.filled.notified();
            if let Some(taken) = self.take_now() {
                return taken;
            }
            filled.await;
        }
    }

    fn take_now(&self) -> Option<Taken> {
        let mut held = self.held();
        if held.frames.is_empty() && held.missed.is_empty() && held.end.is_none() {
            return None;
        }
        let mut frames = std::mem::take(&mut held.frames);
        self.budget.fetch_sub(held.bytes, Ordering::Relaxed);
        held.bytes = 0;
        let cursor = held.missed_cursor.take();
        let missed = std::mem::take(&mut held.missed);
        let count = missed.len();
        for (nth, ((partition, generation), (from, to))) in missed.into_iter().enumerate() {
            let stretch = Stretch {
                partition,
                generation,
                from,
                to,
            };
            // Only behind the last of them everything was said.
            let cursor = cursor.as_ref().filter(|_| nth + 1 == count);
            frames.push(Arc::new(Frame::lagged(&stretch, cursor)));
        }
        let end = held.end;
        Some(Taken { frames, end })
    }

    fn push(&self, held: &mut Held, frame: &Arc<Frame>) {
        let bytes = frame.text.len();
        self.budget.fetch_add(bytes, Ordering::Relaxed);
        held.bytes += bytes;
        held.frames.push(Arc::clone(frame));
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let bytes = self.held().bytes;
        self.budget.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(partition: &str, seq: u64) -> Stretch {
        Stretch {
            partition: partition.into(),
            generation: 1,
            from: seq,
            to: seq + 1,
        }
    }

    fn put(mailbox: &Mailbox, partition: &str, seq: u64) {
        let cursor: Arc<str> = format!("{partition}{seq}").into();
        let stretch = stretch(partition, seq);
        mailbox.put(&Arc::new(Frame::unreadable(&stretch, &cursor)), &stretch);
    }

    #[tokio::test]
    async fn what_finds_no_room_is_told_in_its_place() {
        let budget = Budget::default();
        let mailbox = Mailbox::new(Arc::clone(&budget));
        let most = FRAMES as u64;
        for seq in 0..most + 3 {
            put(&mailbox, "a", seq);
        }
        put(&mailbox, "b", 7);
        mailbox.beat(&Arc::new(Frame::heartbeat(&"x".into(), true)));
        let taken = mailbox.take().await.frames;
        assert_eq!(taken.len(), FRAMES + 2);
        let text = |nth: usize| serde_json::from_str::<serde_json::Value>(&taken[nth].text);
        let lagged = text(FRAMES).unwrap();
        assert_eq!(
            lagged,
            serde_json::json!({"type": "lagged", "partition": "a", "from": most, "to": most + 3})
        );
        let last = text(FRAMES + 1).unwrap();
        assert_eq!(
            (last["from"].as_u64(), last["cursor"].as_str()),
            (Some(7), Some("b7"))
        );
        assert_eq!(budget.load(Ordering::Relaxed), 0);
        // Heard of it, so that it goes on.
        put(&mailbox, "a", most + 3);
        assert_eq!(mailbox.take().await.frames[0].kind, "unreadable");
    }

    #[tokio::test]
    async fn a_full_process_makes_readers_miss_and_a_gone_reader_gives_back() {
        let budget = Arc::new(AtomicUsize::new(ALL_BYTES));
        let mailbox = Mailbox::new(Arc::clone(&budget));
        put(&mailbox, "a", 0);
        assert_eq!(mailbox.take().await.frames[0].kind, "lagged");
        budget.store(0, Ordering::Relaxed);
        put(&mailbox, "a", 1);
        assert!(budget.load(Ordering::Relaxed) > 0);
        drop(mailbox);
        assert_eq!(budget.load(Ordering::Relaxed), 0);
    }
}
