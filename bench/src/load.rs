//! Load on an address: so many connections that each send, wait for the answer, and send again;
//! or that send at fixed times. Every answer is checked, and any that is not 201 ends the
//! measurement.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::cpu::{Spent, Watch};
use crate::http::Connection;
use crate::template::Template;

/// One answer in so many is kept and compared with the stored evidence.
const SAMPLED: usize = 997;

/// At most so many are kept of one measurement.
const MOST_SAMPLES: usize = 16;

/// Load on one address.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// One connection each.
    pub(crate) requests: Vec<Template>,
    /// Requests a second of all connections together; `None`: as many as they can.
    pub(crate) rate: Option<f64>,
}

/// What was measured after the warming up.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    /// Acknowledged in these seconds.
    pub(crate) entries: u64,
    /// Of each request, in microseconds, sorted. With a rate, from the time at which it was to
    /// be sent, so that waiting for a free connection counts.
    pub(crate) latencies: Vec<u32>,
    pub(crate) spent: Spent,
    /// Acknowledged in all, warming up and the last answers included.
    pub(crate) acknowledged: u64,
    pub(crate) posted_bytes: u64,
    /// The seq of every acknowledged entry of requests with one entry.
    pub(crate) seqs: Vec<u64>,
    pub(crate) samples: Vec<Sample>,
}

/// A request with one entry, and its receipt.
pub(crate) struct Sample {
    pub(crate) posted: Vec<u8>,
    pub(crate) receipt: Vec<u8>,
}

impl Measured {
    /// Entries a second.
    pub(crate) fn rate(&self) -> f64 {
        precise(self.entries) / self.seconds
    }

    /// The latency in milliseconds that this share of the requests did not exceed.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a vector, from a share of its length"
        )]
        let at = (self.latencies.len() as f64 * share) as usize;
        let last = self.latencies.len().saturating_sub(1);
        self.latencies
            .get(at.min(last))
            .map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }
}

/// A count as a floating-point number; counts of a run are far below 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a run are far below 2^53"
)]
pub(crate) fn precise(count: u64) -> f64 {
    count as f64
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Warming,
    Measuring,
    Over,
}

/// Runs one load for `seconds` and a tenth of that before.
pub(crate) async fn run(load: Load, seconds: u64, watch: &Watch) -> Result<Measured> {
    let measured = run_all(vec![load], seconds, watch).await?;
    measured.into_iter().next().context("one load, one result")
}

/// Runs loads at the same time.
pub(crate) async fn run_all(
    loads: Vec<Load>,
    seconds: u64,
    watch: &Watch,
) -> Result<Vec<Measured>> {
    LocalSet::new()
        .run_until(run_local(loads, seconds, watch))
        .await
}

async fn run_local(loads: Vec<Load>, seconds: u64, watch: &Watch) -> Result<Vec<Measured>> {
    let phase = Rc::new(Cell::new(Phase::Warming));
    let mut running = Vec::new();
    for load in loads {
        let measured = Rc::new(RefCell::new(Measured::default()));
        let connections = u32::try_from(load.requests.len()).context("so many connections")?;
        let pace = load
            .rate
            .map(|rate| Duration::from_secs_f64(f64::from(connections) / rate));
        let mut tasks = Vec::new();
        for (nth, requests) in (0_u32..).zip(load.requests) {
            let connection = Connection::open(load.address).await.context("connecting")?;
            let first = pace
                .map(|pace| pace * nth / connections)
                .unwrap_or_default();
            let task = Task {
                connection,
                requests,
                measured: Rc::clone(&measured),
            };
            let start = Instant::now() + first;
            tasks.push(tokio::task::spawn_local(task.run(
                Rc::clone(&phase),
                start,
                pace,
            )));
        }
        running.push((measured, tasks));
    }
    let length = Duration::from_secs(seconds);
    sleep(length / 10).await;
    let (start, before) = (Instant::now(), watch.now()?);
    phase.set(Phase::Measuring);
    sleep(length).await;
    phase.set(Phase::Over);
    let (passed, spent) = (start.elapsed().as_secs_f64(), watch.now()? - before);
    let mut all = Vec::new();
    for (measured, tasks) in running {
        for task in tasks {
            task.await.context("a connection's task ended early")??;
        }
        let mut measured = measured.take();
        measured.latencies.sort_unstable();
        measured.seconds = passed;
        measured.spent = spent;
        all.push(measured);
    }
    Ok(all)
}

/// One connection.
struct Task {
    connection: Connection,
    requests: Template,
    measured: Rc<RefCell<Measured>>,
}

impl Task {
    async fn run(
        mut self,
        phase: Rc<Cell<Phase>>,
        start: Instant,
        pace: Option<Duration>,
    ) -> Result<()> {
        let entries = self.requests.entries;
        let mut due = start;
        while phase.get() != Phase::Over {
            if let Some(pace) = pace {
                due += pace;
                sleep_until(due).await;
            } else {
                due = Instant::now();
            }
            let answer = self
                .connection
                .send(self.requests.next())
                .await
                .context("sending")?;
            let took = due.elapsed();
            let seqs = seqs(answer.body);
            if answer.status != 201 || seqs.len() as u64 != entries {
                let text = String::from_utf8_lossy(answer.body);
                let text: String = text.chars().take(600).collect();
                bail!(
                    "answered {} with {} receipts: {text}",
                    answer.status,
                    seqs.len()
                );
            }
            let mut measured = self.measured.borrow_mut();
            measured.acknowledged += entries;
            measured.posted_bytes += self.requests.body().len() as u64;
            if entries == 1 {
                let nth = measured.seqs.len();
                measured.seqs.push(seqs[0]);
                if nth.is_multiple_of(SAMPLED) && measured.samples.len() < MOST_SAMPLES {
                    let receipt = answer.body.to_vec();
                    let posted = self.requests.body().to_vec();
                    measured.samples.push(Sample { posted, receipt });
                }
            }
            if phase.get() == Phase::Measuring {
                measured.entries += entries;
                measured
                    .latencies
                    .push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
            }
        }
        Ok(())
    }
}

/// The seq of each receipt in an answer.
fn seqs(body: &[u8]) -> Vec<u64> {
    const MARK: &[u8] = b"\"seq\":";
    let mut seqs = Vec::with_capacity(1);
    let mut rest = body;
    while let Some(at) = rest.iter().position(|byte| *byte == b'q') {
        // Only the name has a q right before the quote and the colon.
        let (before, after) = rest.split_at(at);
        if before.ends_with(b"\"se") && after.starts_with(&MARK[3..]) {
            let digits = &after[3..];
            let value = digits
                .iter()
                .map_while(|byte| byte.is_ascii_digit().then(|| u64::from(byte - b'0')));
            seqs.push(value.fold(0, |number, digit| number * 10 + digit));
        }
        rest = &after[1..];
    }
    seqs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seq_of_each_receipt_is_found() {
        let one = br#"{"id":"q","partition":"seq","seq":17,"received_at":"x","hash":"q"}"#;
        assert_eq!(seqs(one), [17]);
        let two = br#"{"receipts":[{"seq":0,"hash":"a"},{"seq":18446744073709551615}]}"#;
        assert_eq!(seqs(two), [0, u64::MAX]);
        assert_eq!(seqs(b""), [] as [u64; 0]);
        assert_eq!(seqs(br#"{"code":"seq"}"#), [] as [u64; 0]);
    }

    #[test]
    fn quantiles_are_of_the_sorted_latencies() {
        let measured = Measured {
            latencies: (1..=1000).map(|ms| ms * 1000).collect(),
            ..Measured::default()
        };
        assert!((measured.quantile(0.5) - 501.0).abs() < f64::EPSILON);
        assert!((measured.quantile(0.99) - 991.0).abs() < f64::EPSILON);
        assert!((measured.quantile(1.0) - 1000.0).abs() < f64::EPSILON);
        assert!(Measured::default().quantile(0.99).abs() < f64::EPSILON);
    }
}
