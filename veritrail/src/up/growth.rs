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

/// Between two looks at the files that grow.
const LOOK: Duration = Duration::from_millis(200);
/// Looks from one search for such files to the next: a new cluster has more than a thousand, and few of them grow.
const LOOKS: u32 = 10;
/// Less is left to the kernel, so that a quiet installation causes no writes of its own.
const LEAST: u64 = 1 << 20;

/// Looks after the databases in `base`, a folder for each, until it is dropped.
pub(super) async fn write_soon(base: PathBuf) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut growth = Growth::default();
    for look in (0..LOOKS).cycle() {
        ticks.tick().await;
        if look > 0 && growth.growing.is_empty() {
            continue;
        }
        let base = base.clone();
        // Both the look and the begin of a write may wait for the disk.
        let looked = spawn_blocking(move || {
            if look == 0 {
                growth.search(&base);
            }
            growth.hand_over();
            growth
        });
        let Ok(looked) = looked.await else { return };
        growth = looked;
    }
}

#[derive(Default)]
struct Growth {
    /// How large the files were at the last search; none before the first.
    sizes: Option<HashMap<PathBuf, u64>>,
    /// Those that had grown since the search before, and up to where each was handed over.
    growing: HashMap<PathBuf, u64>,
}

impl Growth {
    fn search(&mut self, base: &Path) {
        let sizes: HashMap<_, _> = files(base).collect();
        // What is there at the start is left to the kernel.
        let before = self.sizes.as_ref().unwrap_or(&sizes);
        let grown = sizes.iter().filter_map(|(file, size)| {
            let before = before.get(file).copied().unwrap_or(0);
            let written = self.growing.get(file).copied().unwrap_or(before);
            (*size > before).then(|| (file.clone(), written))
        });
        self.growing = grown.collect();
        self.sizes = Some(sizes);
    }

    /// Gives how many bytes it had the kernel write.
    fn hand_over(&mut self) -> u64 {
        let mut handed = 0;
        for (file, written) in &mut self.growing {
            let size = file.metadata().map_or(0, |about| about.len());
            *written = size.min(*written);
            let more = size - *written;
            if more >= LEAST && start(file, *written, more) {
                *written = size;
                handed += more;
            }
        }
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
        growth.search(&base);
        assert_eq!(growth.hand_over(), 0, "it was there before");
        resize("10", 5 * LEAST);
        resize("10.1", 7 * LEAST);
        growth.search(&base);
        assert_eq!(growth.hand_over(), 9 * LEAST);
        assert_eq!(growth.hand_over(), 0);
        // Little by little, between two searches and across one, after which 10.1 grows no more.
        resize("10", 6 * LEAST);
        assert_eq!(growth.hand_over(), LEAST);
        resize("10", 7 * LEAST - 1);
        growth.search(&base);
        assert_eq!(growth.hand_over(), 0);
        resize("10", 7 * LEAST);
        assert_eq!(growth.hand_over(), LEAST);
        // Emptied, and filled again.
        resize("10", 0);
        std::fs::remove_file(database.join("10.1")).unwrap();
        assert_eq!(growth.hand_over(), 0);
        resize("10", 2 * LEAST);
        assert_eq!(growth.hand_over(), 2 * LEAST);
        growth.search(&base);
        assert!(growth.growing.is_empty(), "smaller than at the last search");
        std::fs::remove_dir_all(&base).unwrap();
        growth.search(&base);
        assert_eq!(growth.hand_over(), 0, "nothing is there any more");
    }
}
