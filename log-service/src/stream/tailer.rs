//! The tailer: one for each replica. While somebody follows anything it asks, every few
//! milliseconds, for the heads of all chains that are followed, reads once what they have grown
//! by, and hands it to all their readers. It knows nothing of what this replica appended itself:
//! entries of all replicas come the same way. It has one connection, and no transaction between two statements.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ledger::read::Tail;
use ledger::{Limit, Tenant};
use service::Shutdown;
use tokio::sync::{mpsc, oneshot};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::audience::Audience;
use super::followed::Behind;
use super::heart::Heart;
use super::mailbox::{FRAMES, Mailbox};
use super::room::Room;
use super::tails::Tails;

/// From the beginning of one look at the heads to the next: the shorter, the more comes.
const TICK: RangeInclusive<Duration> = Duration::from_millis(6)..=Duration::from_millis(15);
/// Entries that one tick should bring. What is read and handed on at once keeps a core from appends for as long.
const PER_TICK: u32 = 160;
/// The same while the database does not answer.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest that a reader who joins waits for the ledger.
pub(super) const JOIN_PATIENCE: Duration = Duration::from_secs(5);

/// Of each chain in one statement; of how many chains.
const ROWS: u32 = 256;
const CHAINS: usize = 64;
/// Bytes of a page for each of its rows. Entries that are larger take a statement of their own.
const ROW_BYTES: u64 = 5 << 10;

/// Up to where chains are read: partition, generation, next seq.
pub(super) type Positions = Vec<(Arc<str>, u32, u64)>;

/// A reader who wants what comes.
pub(super) struct Join {
    pub(super) tenant: Tenant,
    pub(super) audience: Audience,
    pub(super) mailbox: Arc<Mailbox>,
    /// What he has read already; the answer is never before that.
    pub(super) read: Positions,
    pub(super) asked: Instant,
    /// What is put into the mailbox begins there.
    pub(super) answer: oneshot::Sender<Result<Positions, Refusal>>,
}

/// Why nobody can be told where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The ledger does not answer, or not in time.
    Unavailable,
    TooManyPartitions,
}

pub(super) enum Command {
    Join(Box<Join>),
    Leave { tenant: Uuid, mailbox: Arc<Mailbox> },
}

pub(super) struct Tailer {
    ledger: Tail,
    commands: mpsc::UnboundedReceiver<Command>,
    tails: Tails,
    joins: Vec<Join>,
    tick: Duration,
    heart: Heart,
    failing: bool,
}

impl Tailer {
    pub(super) fn new(
        ledger: Tail,
        commands: mpsc::UnboundedReceiver<Command>,
        room: Room,
    ) -> Self {
        Self {
            ledger,
            commands,
            tails: Tails::new(room),
            joins: Vec::new(),
            tick: *TICK.end(),
            heart: Heart::start(),
            failing: false,
        }
    }

    /// Until `shutdown`.
    pub(super) async fn run(mut self, shutdown: Shutdown) {
        tokio::select! {
            () = self.tail() => {}
            () = shutdown.wait() => {}
        }
        self.ledger.close().await;
    }

    async fn tail(&mut self) {
        loop {
            if self.joins.is_empty() && self.tails.is_empty() {
                // Nobody follows anything.
                let Some(command) = self.commands.recv().await else {
                    return;
                };
                self.take(command);
                self.heart = Heart::start();
            }
            while let Ok(command) = self.commands.try_recv() {
                self.take(command);
            }
            let begun = Instant::now();
            let next = match self.tick().await {
                Some(Progress::More) => begun,
                Some(Progress::AtHead) => begun + self.tick,
                None => Instant::now() + PAUSE,
            };
            self.refuse_the_late();
            self.heart.beat(&self.tails);
            sleep_until(next).await;
        }
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Join(join) => self.joins.push(*join),
            Command::Leave { tenant, mailbox } => {
                self.joins
                    .retain(|join| !Arc::ptr_eq(&join.mailbox, &mailbox));
                self.tails.remove(tenant, &mailbox);
                self.forget_the_unwanted();
            }
        }
    }

    /// Heads, then entries, then those who join; `None` when the ledger does not answer. What was
    /// handed on by then stays so, and the rest is asked for again.
    async fn tick(&mut self) -> Option<Progress> {
        for join in &self.joins {
            self.tails.add(&join.tenant);
        }
        self.look().await?;
        let behind = self.tails.behind();
        let mut entries = 0;
        for behind in behind.chunks(CHAINS) {
            entries += self.read(behind).await?;
        }
        self.tick = next_tick(self.tick, entries);
        self.heart.has_read();
        self.join();
        Some(if self.tails.behind().is_empty() {
            Progress::AtHead
        } else {
            Progress::More
        })
    }

    async fn look(&mut self) -> Option<()> {
        let joining = self
            .joins
            .iter()
            .map(|join| (join.tenant.id, &join.audience));
        let (whole, named) = self.tails.wanted(joining);
        let heads = self.ledger.heads_of(&whole, &named);
        let asked = self.heart.until(&self.tails, heads).await;
        let heads = self.answered(asked)?;
        self.tails.see(&heads);
        for join in &self.joins {
            self.tails.add(&join.tenant).looked(&join.audience);
        }
        Some(())
    }

    /// How many entries there were.
    async fn read(&mut self, behind: &[Behind]) -> Option<usize> {
        let growth: Vec<_> = behind.iter().map(Behind::growth).collect();
        let grown = self.ledger.grown(&growth, page(growth.len()));
        let asked = self.heart.until(&self.tails, grown).await;
        let grown = self.answered(asked)?;
        let received = grown.iter().filter_map(|row| row.entry.as_ref().ok());
        if let Some(first) = received.map(|entry| entry.received_at.as_micros()).min() {
            metrics::histogram!("stream_delay_seconds").record(seconds_since(first));
        }
        let entries = grown.len();
        self.tails.deliver(behind, grown);
        Some(entries)
    }

    /// Notes, and says once, whether the ledger answers.
    fn answered<T>(&mut self, asked: Result<Result<T, ledger::Error>, Elapsed>) -> Option<T> {
        let error = match asked {
            Ok(Ok(answer)) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("streams go on");
                }
                return Some(answer);
            }
            Ok(Err(error)) => anyhow::Error::new(error),
            Err(elapsed) => anyhow::Error::new(elapsed),
        };
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(error = format!("{error:#}"), "streams stand still");
        }
        None
    }

    /// Those who have read nothing beyond the tails hear from now on what comes.
    fn join(&mut self) {
        if self.joins.is_empty() {
            return;
        }
        for join in std::mem::take(&mut self.joins) {
            let followed = self.tails.add(&join.tenant);
            let positions = followed.positions(&join.audience);
            if followed.has_too_many_for(&join.audience) {
                let _ = join.answer.send(Err(Refusal::TooManyPartitions));
            } else if !reached(&positions, &join.read) {
                self.joins.push(join);
            } else if join.answer.send(Ok(positions)).is_ok() {
                followed.join(join.audience, join.mailbox);
            }
        }
        self.forget_the_unwanted();
    }

    fn refuse_the_late(&mut self) {
        let late = |join: &mut Join| join.asked.elapsed() >= JOIN_PATIENCE;
        let late: Vec<Join> = self.joins.extract_if(.., late).collect();
        if late.is_empty() {
            return;
        }
        for join in late {
            let _ = join.answer.send(Err(Refusal::Unavailable));
        }
        self.forget_the_unwanted();
    }

    fn forget_the_unwanted(&mut self) {
        let joining = self.joins.iter();
        let joining: Vec<_> = joining
            .map(|join| (join.tenant.id, &join.audience))
            .collect();
        self.tails.forget_the_unwanted(&joining);
    }
}

/// After a tick that brought so many entries.
fn next_tick(last: Duration, entries: usize) -> Duration {
    let entries = u32::try_from(entries).unwrap_or(u32::MAX).max(1);
    (last * PER_TICK / entries).clamp(*TICK.start(), *TICK.end())
}

/// How much of each of so many chains. All of it finds room with a reader who has taken what came before.
fn page(chains: usize) -> Limit {
    let share = u32::try_from(FRAMES / chains.max(1)).unwrap_or(u32::MAX);
    let rows = ROWS.min(share);
    Limit {
        rows,
        bytes: u64::from(rows) * ROW_BYTES,
    }
}

/// Of this host's clock; `received_at` is near the database's.
#[expect(clippy::cast_precision_loss, reason = "a metric")]
fn seconds_since(micros: i64) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_micros()) as f64;
    ((now - micros as f64) / 1e6).max(0.0)
}

enum Progress {
    AtHead,
    /// There is more to read already.
    More,
}

/// Whether the tails are nowhere behind what was read.
fn reached(positions: &Positions, read: &Positions) -> bool {
    read.iter().all(|(partition, generation, next)| {
        let tail = positions.iter().find(|(name, ..)| name == partition);
        tail.is_some_and(|(_, at, tail)| (*at, *tail) >= (*generation, *next))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_follow_what_comes() {
        let (shortest, longest) = (*TICK.start(), *TICK.end());
        assert_eq!(next_tick(longest, 0), longest);
        assert_eq!(next_tick(longest, 15), longest, "1,000 a second");
        assert_eq!(next_tick(longest, 320), longest / 2);
        assert_eq!(
            next_tick(longest / 2, 160),
            longest / 2,
            "as many as before"
        );
        assert_eq!(next_tick(longest / 2, 80), longest, "half as many");
        assert_eq!(next_tick(longest, 100_000), shortest);
        assert_eq!(next_tick(shortest, 0), longest);
    }

    #[test]
    fn a_page_of_many_chains_finds_room_with_a_reader_of_them_all() {
        for chains in 1..=CHAINS {
            let rows = page(chains).rows as usize;
            assert!(rows >= 1 && rows * chains <= FRAMES, "{chains}");
        }
    }
}
