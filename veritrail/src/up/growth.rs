//! Has the kernel write soon what the data files grew by, and not all at once.
//!
//! PostgreSQL makes a table longer by pages that the kernel keeps until they are half a minute old. At full load these
//! are gigabytes, and while they are written every sync of the WAL waits, for 100 to 500 ms. Other pages PostgreSQL has
//! written in time (`checkpoint_flush_after`), but not these.

use std::collections::HashMap;
use std::fs::{File, read_dir};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Advice, fadvise};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_millis(200);
/// Less is left to the kernel, so that a quiet installation causes no writes of its own.
const LEAST: u64 = 1 << 20;

/// Looks after the databases in `base`, a folder for each, until it is dropped.
pub(super) async fn write_soon(base: PathBuf) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut growth = Growth::default();
    loop {
        ticks.tick().await;
        let base = base.clone();
        // Both the look and the begin of a write may wait for the disk.
        let look = spawn_blocking(move || {
            growth.look(&base);
            growth
        });
        let Ok(looked) = look.await else { return };
        growth = looked;
    }
}

#[derive(Default)]
struct Growth {
    /// Up to where each file was handed over; none before the first look.
    written: Option<HashMap<PathBuf, u64>>,
}

impl Growth {
    /// Gives how many bytes it had the kernel write.
    fn look(&mut self, base: &Path) -> u64 {
        let before = self.written.take();
        let mut written = HashMap::new();
        let mut handed = 0;
        for (file, size) in files(base) {
            let from = match &before {
                Some(before) => before.get(&file).copied().unwrap_or(0).min(size),
                // What is there at the start is left to the kernel.
                None => size,
            };
            let more = size - from;
            let starts = more >= LEAST && start(&file, from, more);
            handed += if starts { more } else { 0 };
            written.insert(file, if starts { size } else { from });
        }
        self.written = Some(written);
        handed
    }
}

/// All data files with their sizes. One that goes meanwhile is left out.
fn files(base: &Path) -> impl Iterator<Item = (PathBuf, u64)> {
    let databases = read_dir(base).into_iter().flatten().flatten();
    let files = databases.flat_map(|database| read_dir(database.path()).into_iter().flatten());
    files.flatten().filter_map(|file| {
        let about = file.metadata().ok()?;
        about.is_file().then(|| (file.path(), about.len()))
    })
}

/// The advice that a part is not needed begins to write what is not written yet, and waits for none of it. What is
/// written already leaves the kernel's memory; PostgreSQL has it in its own.
fn start(file: &Path, from: u64, length: u64) -> bool {
    File::open(file)
        .is_ok_and(|file| fadvise(file, from, NonZeroU64::new(length), Advice::DontNeed).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_grew_by_is_handed_over_once() {
        let base = std::env::temp_dir().join(format!("veritrail-growth-{}", uuid::Uuid::now_v7()));
        let database = base.join("1");
        std::fs::create_dir_all(&database).unwrap();
        let resize = |name: &str, size| {
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(database.join(name));
            file.unwrap().set_len(size).unwrap();
        };
        resize("10", 3 * LEAST);
        let mut growth = Growth::default();
        assert_eq!(growth.look(&base), 0, "it was there before");
        resize("10", 5 * LEAST);
        resize("10.1", 7 * LEAST);
        assert_eq!(growth.look(&base), 9 * LEAST);
        assert_eq!(growth.look(&base), 0);
        // Little by little.
        resize("10", 6 * LEAST - 1);
        assert_eq!(growth.look(&base), 0);
        resize("10", 6 * LEAST);
        assert_eq!(growth.look(&base), LEAST);
        // Emptied, and filled again.
        resize("10", 0);
        std::fs::remove_file(database.join("10.1")).unwrap();
        assert_eq!(growth.look(&base), 0);
        resize("10", 2 * LEAST);
        resize("10.1", LEAST);
        assert_eq!(growth.look(&base), 3 * LEAST);
        std::fs::remove_dir_all(&base).unwrap();
        assert_eq!(growth.look(&base), 0, "nothing is there any more");
    }
}
