//! The memory that frames take up: of a tenant, and of all. The more of it is taken, the less may wait for one
//! reader, so that however many take little, enough is left for the others: for the readers of their own tenant,
//! and more than that for those of other tenants. (Choudhury and Hahne, "Dynamic queue length thresholds for
//! shared-memory packet switches", 1998.)

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use uuid::Uuid;

const ALL_BYTES: usize = 256 << 20;
/// What is taken by the readers of a tenant counts so many times for them.
const OWN: usize = 4;
/// Of what is left, one reader may have so small a part.
const PART: usize = 8;
/// One reader may have so much of it at most.
const MOST_BYTES: usize = 8 << 20;
/// And so much in any case, besides all that.
pub(super) const LEAST_BYTES: usize = 64 << 10;

/// What all frames of a process share.
#[derive(Clone, Default)]
pub(crate) struct Room {
    all: Arc<AtomicUsize>,
    tenants: Arc<Mutex<HashMap<Uuid, Weak<Counts>>>>,
}

struct Counts {
    all: Arc<AtomicUsize>,
    of_tenant: AtomicUsize,
}

/// What the frames of one tenant take of it.
#[derive(Clone)]
pub(crate) struct Share {
    counts: Arc<Counts>,
}

/// Bytes of one frame; given back when it is dropped.
pub(crate) struct Held {
    counts: Arc<Counts>,
    bytes: usize,
}

impl Room {
    pub(crate) fn share(&self, tenant: Uuid) -> Share {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = tenants.get(&tenant).and_then(Weak::upgrade) {
            return Share { counts };
        }
        tenants.retain(|_, counts| counts.strong_count() > 0);
        let counts = Arc::new(Counts {
            all: Arc::clone(&self.all),
            of_tenant: AtomicUsize::new(0),
        });
        tenants.insert(tenant, Arc::downgrade(&counts));
        Share { counts }
    }
}

impl Share {
    /// Bytes that may wait for one reader now.
    pub(crate) fn limit(&self) -> usize {
        let all = self.counts.all.load(Ordering::Relaxed);
        let of_tenant = self.counts.of_tenant.load(Ordering::Relaxed);
        let left = ALL_BYTES.saturating_sub(all + (OWN - 1) * of_tenant);
        (left / PART).clamp(LEAST_BYTES, MOST_BYTES)
    }

    /// Takes up bytes, whether there is room for them or not.
    pub(crate) fn hold(&self, bytes: usize) -> Held {
        self.counts.all.fetch_add(bytes, Ordering::Relaxed);
        self.counts.of_tenant.fetch_add(bytes, Ordering::Relaxed);
        Held {
            counts: Arc::clone(&self.counts),
            bytes,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.counts.all.fetch_sub(self.bytes, Ordering::Relaxed);
        self.counts
            .of_tenant
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 32 << 10;

    /// So many readers who take nothing while frames come, each with a filter of his own, so that nothing is shared.
    fn fill(share: &Share, readers: usize) -> Vec<Held> {
        let mut waiting = vec![0; readers];
        let mut held = Vec::new();
        loop {
            let before = held.len();
            for own in &mut waiting {
                if *own < share.limit() {
                    *own += FRAME;
                    held.push(share.hold(FRAME));
                }
            }
            if held.len() == before {
                return held;
            }
        }
    }

    #[test]
    fn however_many_take_nothing_enough_is_left_for_all_others() {
        for readers in [1, 50, 200] {
            let room = Room::default();
            let (slow, other) = (
                room.share(Uuid::from_u128(1)),
                room.share(Uuid::from_u128(2)),
            );
            let _held = fill(&slow, readers);
            assert!(slow.limit() >= 256 << 10, "{readers}: {}", slow.limit());
            assert_eq!(other.limit(), MOST_BYTES, "{readers}");
        }
    }

    #[test]
    fn however_many_tenants_have_slow_readers_the_next_one_has_room() {
        let room = Room::default();
        let tenants = (0..8).map(|tenant| room.share(Uuid::from_u128(tenant)));
        let _held: Vec<_> = tenants.map(|share| fill(&share, 200)).collect();
        assert!(room.all.load(Ordering::Relaxed) < ALL_BYTES);
        let next = room.share(Uuid::from_u128(8)).limit();
        assert!(next >= 2 << 20, "{next}");
    }

    #[test]
    fn what_is_dropped_is_given_back_and_a_tenant_without_frames_forgotten() {
        let room = Room::default();
        let share = room.share(Uuid::from_u128(1));
        let held = share.hold(ALL_BYTES);
        assert_eq!(share.limit(), LEAST_BYTES);
        assert_eq!(room.share(Uuid::from_u128(1)).limit(), LEAST_BYTES);
        drop(held);
        assert_eq!(share.limit(), MOST_BYTES);
        drop(share);
        room.share(Uuid::from_u128(2));
        assert_eq!(room.tenants.lock().unwrap().len(), 1);
    }
}
