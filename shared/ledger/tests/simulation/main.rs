//! Two or three replicas of the lane against a model of the database, with faults before and after
//! every step. Each seed is one run; a failing seed is named, and fails again alone.
//!
//! 3,000 seeds by default; `SIMULATION_SEEDS=100000` for more, `SIMULATION_SEED=n` for one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod database;
mod entries;
mod random;
mod verdict;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use world::World;

const SEEDS: u64 = 3_000;

#[expect(
    clippy::disallowed_methods,
    reason = "the number of seeds is not configuration"
)]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_seed_breaks_a_chain() {
    if let Some(seed) = variable("SIMULATION_SEED") {
        World::new(seed).run();
        return;
    }
    let seeds = variable("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let run = catch_unwind(AssertUnwindSafe(|| World::new(seed).run()));
                    assert!(run.is_ok(), "SIMULATION_SEED={seed} fails");
                }
            });
        }
    });
}
