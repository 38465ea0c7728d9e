//! The loop of a follower: it works on what it was told of, several things at once and each by one
//! task, tries again what failed, and stops when it is asked to. It never knows what is followed, nor
//! who tells it; whatever it forgets, the next sweep finds again.

mod line;

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use self::line::Line;
use crate::Shutdown;

/// What became of one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing is left to do.
    Done,
    /// There is more: the others first, then this again.
    More,
    /// Somebody else is at it. It is looked at again a little later, since what it was told of may
    /// have come after the other one looked.
    Taken,
}

/// Bounds of a loop.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Turns at once.
    pub at_once: usize,
    /// Most things that wait or are worked on; beyond it nothing more is taken in. What rests is not among them.
    pub waiting: usize,
    /// Most things that rest because they failed, or somebody else is at them; beyond it they are forgotten, and come
    /// again with the next sweep.
    pub resting: usize,
    /// Pause after a failure; it doubles with each one in a row.
    pub pause: Duration,
    pub longest_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            at_once: 4,
            waiting: 1_024,
            resting: 16_384,
            pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(15),
        }
    }
}

/// Until `shutdown`, then until the turns under way have ended: a turn should watch the same
/// `shutdown` and end after its batch. A thing that comes through `found` while it waits is one; while
/// it is worked on, it gets one more turn. Dropping the future ends the turns where they are.
pub async fn run<K, W, F>(
    settings: Settings,
    mut found: mpsc::Receiver<K>,
    work: W,
    shutdown: &Shutdown,
) where
    K: Clone + Debug + Eq + Hash + Send + 'static,
    W: Fn(K) -> F,
    F: Future<Output = anyhow::Result<Turn>> + Send + 'static,
{
    let mut line: Line<K> = Line::new(settings);
    let mut turns = JoinSet::new();
    let mut whose: HashMap<Id, K> = HashMap::new();
    let mut open = true;
    loop {
        let stopping = shutdown.begun();
        while !stopping && turns.len() < settings.at_once.max(1) {
            let Some(key) = line.next(Instant::now()) else {
                break;
            };
            let turn = turns.spawn(work(key.clone()));
            whose.insert(turn.id(), key);
        }
        if turns.is_empty() && (stopping || (!open && line.is_empty())) {
            return;
        }
        let due = line.due().filter(|_| turns.len() < settings.at_once.max(1));
        tokio::select! {
            () = shutdown.wait(), if !stopping => {}
            Some(ended) = turns.join_next_with_id(), if !turns.is_empty() => {
                end(&mut line, &mut whose, ended);
            }
            key = found.recv(), if open && !stopping && line.has_room() => match key {
                Some(key) => line.add(key),
                None => open = false,
            },
            () = until(due), if due.is_some() && !stopping => {}
        }
    }
}

fn end<K: Clone + Debug + Eq + Hash>(
    line: &mut Line<K>,
    whose: &mut HashMap<Id, K>,
    ended: Result<(Id, anyhow::Result<Turn>), JoinError>,
) {
    let (id, outcome) = match ended {
        Ok((id, outcome)) => (id, outcome),
        Err(stopped) => (stopped.id(), Err(stopped.into())),
    };
    let Some(key) = whose.remove(&id) else { return };
    match outcome {
        Ok(turn) => line.ended(key, turn, Instant::now()),
        Err(error) => {
            tracing::warn!(of = ?key, error = format!("{error:#}"), "a turn failed and is tried again");
            line.failed(key, Instant::now());
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_fails_leaves_room_for_what_does_not() {
        let settings = Settings {
            at_once: 2,
            waiting: 3,
            ..Settings::default()
        };
        let (sender, found) = mpsc::channel(1);
        let (done, mut told) = mpsc::unbounded_channel();
        let work = move |key: u32| {
            let done = done.clone();
            async move {
                ensure!(key >= 100, "it always fails");
                done.send(key)?;
                Ok(Turn::Done)
            }
        };
        let shutdown = Shutdown::new();
        let telling = async {
            for key in (0..20).chain([100]) {
                sender.send(key).await.unwrap();
            }
            assert_eq!(told.recv().await, Some(100));
            shutdown.begin();
        };
        let both = async { tokio::join!(run(settings, found, work, &shutdown), telling) };
        timeout(Duration::from_mins(1), both).await.unwrap();
    }
}
