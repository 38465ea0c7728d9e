//! What waits for one reader, bounded in frames and bytes. Whoever puts never waits: what finds no
//! room is noted as missed, so that a slow reader is told what he missed and delays nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::end::End;
use super::frames::{Frame, Stretch};
use super::room::Share;

/// Of one reader.
pub(super) const FRAMES: usize = 2_048;

pub(crate) struct Mailbox {
    held: Mutex<Held>,
    filled: Notify,
    share: Share,
}

#[derive(Default)]
struct Held {
    frames: Vec<Arc<Frame>>,
    bytes: usize,
    /// Of what was taken last. Whoever takes more has sent it.
    taken_bytes: usize,
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
    pub(crate) fn new(share: Share) -> Self {
        Self {
            held: Mutex::default(),
            filled: Notify::new(),
            share,
        }
    }

    /// An entry, or what is said in the place of some.
    pub(crate) fn put(&self, frame: &Arc<Frame>, stretch: &Stretch) {
        let mut held = self.held();
        let room = held.missed.is_empty()
            && held.frames.len() < FRAMES
            && held.bytes + held.taken_bytes < self.share.limit();
        if room {
            let first = held.frames.is_empty();
            held.push(frame);
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
            held.push(frame);
            drop(held);
            self.filled.notify_one();
        }
    }

    /// Before everything that waits already.
    pub(crate) fn first(&self, frame: &Arc<Frame>) {
        let mut held = self.held();
        held.bytes += frame.text.len();
        held.frames.insert(0, Arc::clone(frame));
        drop(held);
        self.filled.notify_one();
    }

    /// Nothing comes any more.
    pub(crate) fn end(&self, end: End) {
        self.held().end.get_or_insert(end);
        self.filled.notify_one();
    }

    /// All that waits, as soon as there is something. What was taken before is sent. Cancel-safe.
    pub(crate) async fn take(&self) -> Taken {
        self.held().taken_bytes = 0;
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
        held.taken_bytes = std::mem::take(&mut held.bytes);
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

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn push(&mut self, frame: &Arc<Frame>) {
        self.bytes += frame.text.len();
        self.frames.push(Arc::clone(frame));
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::room::{LEAST_BYTES, Room};
    use super::*;

    fn share() -> Share {
        Room::default().share(Uuid::nil())
    }

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
        let mailbox = Mailbox::new(share());
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
        // Heard of it, so that it goes on.
        put(&mailbox, "a", most + 3);
        assert_eq!(mailbox.take().await.frames[0].kind, "unreadable");
    }

    #[tokio::test]
    async fn without_room_for_more_each_reader_still_has_a_little_at_a_time() {
        let share = share();
        let _full = share.hold(1 << 40);
        let mailbox = Mailbox::new(share);
        let mut seq = 0;
        let mut fill = || {
            while mailbox.held().missed.is_empty() {
                put(&mailbox, "a", seq);
                seq += 1;
            }
        };
        fill();
        let taken = mailbox.take().await.frames;
        let (lagged, whole) = taken.split_last().unwrap();
        assert_eq!(lagged.kind, "lagged");
        let bytes: usize = whole.iter().map(|frame| frame.text.len()).sum();
        assert!(
            (LEAST_BYTES..LEAST_BYTES + 1_024).contains(&bytes),
            "{bytes}"
        );
        // It counts until it was sent.
        fill();
        assert_eq!(mailbox.take().await.frames.len(), 1);
        fill();
        assert!(mailbox.take().await.frames.len() > taken.len() / 2);
    }
}
