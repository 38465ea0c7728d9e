//! Runs a lane: feeds it requests, time and replies, executes its commands on the one connection that
//! it has, and passes its answers on. Decides nothing itself, and never waits for a client.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::connect::{CONNECT_TIMEOUT, REPLY_TIMEOUT, within};
use crate::lane::{Answer, Command, Failure, Lane, Now, Reply, Request, Ticket};
use crate::lanes::Place;
use crate::statements;

/// How often waiting requests are compared with their deadlines, and pauses with their ends.
const TICK: Duration = Duration::from_millis(20);

/// A request with the place where its answer goes. Ticket and deadline are filled in here.
pub(crate) struct Submission {
    pub(crate) request: Request,
    pub(crate) answer: oneshot::Sender<Answer>,
    pub(crate) place: Place,
}

/// An answer and whom it is for.
pub(crate) type Answered = (oneshot::Sender<Answer>, Answer);

pub(crate) struct Driver {
    lane: Lane,
    options: PgConnectOptions,
    origin: String,
    /// From submission to giving up.
    patience: Duration,
    started: Instant,
    clients: HashMap<Ticket, (oneshot::Sender<Answer>, Place)>,
    tickets: Ticket,
    /// What of it is in the gauge that all lanes of the process share.
    queued: usize,
    answered: mpsc::UnboundedSender<Vec<Answered>>,
}

/// What a command left behind.
type Ended = (Option<PgConnection>, Reply);
type Running = Pin<Box<dyn Future<Output = Ended> + Send>>;

impl Driver {
    pub(crate) fn new(
        lane: Lane,
        options: PgConnectOptions,
        origin: String,
        patience: Duration,
        answered: mpsc::UnboundedSender<Vec<Answered>>,
    ) -> Self {
        Self {
            lane,
            options,
            origin,
            patience,
            started: Instant::now(),
            clients: HashMap::new(),
            tickets: 0,
            queued: 0,
            answered,
        }
    }

    /// Ends when it is told to stop and every request is answered.
    pub(crate) async fn run(
        mut self,
        mut submissions: mpsc::Receiver<Submission>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut connection: Option<PgConnection> = None;
        let mut running: Option<Running> = None;
        let mut open = true;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            open &= self.take_arrived(&mut submissions);
            if running.is_none() {
                let command = self.lane.next(self.now());
                running = command.map(|command| self.start(connection.take(), command));
            }
            // Sends the statement: the database works on it while the answers are written.
            let ended = poll_once(&mut running).await;
            self.answer();
            if let Some((returned, reply)) = ended {
                running = None;
                connection = returned;
                self.reply(reply);
                continue;
            }
            if !open && self.lane.is_idle() {
                break;
            }
            tokio::select! {
                (returned, reply) = finish(&mut running) => {
                    running = None;
                    connection = returned;
                    self.reply(reply);
                }
                // Not while a statement runs: what arrives could not be sent, and each arrival
                // would wake this thread. The ticks see to it that little gathers.
                submission = submissions.recv(), if open && running.is_none() => match submission {
                    Some(submission) => self.submit(submission),
                    None => open = false,
                },
                _ = ticks.tick(), if running.is_some() || !self.lane.is_idle() => {
                    self.lane.tick(self.now());
                }
                // What was sent before is still received; later appends are refused.
                _ = stop.changed(), if open => submissions.close(),
            }
        }
        if let Some(connection) = connection {
            connection.close().await.ok();
        }
    }

    /// `false` when nothing more can come.
    fn take_arrived(&mut self, submissions: &mut mpsc::Receiver<Submission>) -> bool {
        loop {
            match submissions.try_recv() {
                Ok(submission) => self.submit(submission),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn now(&self) -> Now {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            wall: since_epoch.map_or(0, |time| {
                i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
            }),
            steady: self.started.elapsed(),
        }
    }

    fn submit(&mut self, submission: Submission) {
        let Submission {
            request,
            answer,
            place,
        } = submission;
        self.tickets += 1;
        self.clients.insert(self.tickets, (answer, place));
        self.lane.submit(Request {
            ticket: self.tickets,
            deadline: self.started.elapsed() + self.patience,
            ..request
        });
    }

    fn answer(&mut self) {
        let queued = std::mem::replace(&mut self.queued, self.lane.queued());
        metrics::gauge!("ledger_queued_entries").increment(count(self.queued) - count(queued));
        let answers = self.lane.take_answers();
        let answered = |(ticket, answer)| {
            let (client, _place) = self.clients.remove(&ticket)?;
            Some((client, answer))
        };
        let answered: Vec<Answered> = answers.into_iter().filter_map(answered).collect();
        if !answered.is_empty() {
            self.answered.send(answered).ok();
        }
    }

    fn start(&self, connection: Option<PgConnection>, command: Command) -> Running {
        if let Command::Swap(swap) = &command {
            metrics::histogram!("ledger_batch_entries").record(count(swap.rows.len()));
        }
        let options = self.options.clone();
        let origin = self.origin.clone();
        Box::pin(execute(connection, options, origin, command))
    }

    fn reply(&mut self, reply: Reply) {
        match &reply {
            Reply::Failed(Failure::Lost(error)) => {
                tracing::warn!(%error, "a lane lost its connection");
            }
            Reply::Failed(Failure::Transient(error)) => {
                tracing::warn!(%error, "a statement is tried again");
            }
            // The texts of other refusals may quote what was to be stored.
            Reply::Failed(Failure::Refused(_)) => {
                tracing::warn!("the database refused a statement");
            }
            _ => {}
        }
        let lost = self.lane.lost_swaps();
        self.lane.reply(self.now(), reply);
        let lost = self.lane.lost_swaps() - lost;
        metrics::counter!("ledger_swaps_lost_total").increment(lost);
    }
}

/// Metrics are floating point.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(value: usize) -> f64 {
    value as f64
}

/// Pending for ever while nothing runs.
async fn finish(running: &mut Option<Running>) -> Ended {
    match running {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}

/// Goes on with what runs as far as that is possible now.
async fn poll_once(running: &mut Option<Running>) -> Option<Ended> {
    let running = running.as_mut()?;
    let ended = poll_fn(|context| Poll::Ready(running.as_mut().poll(context))).await;
    match ended {
        Poll::Ready(ended) => Some(ended),
        Poll::Pending => None,
    }
}

/// Executes one command. The connection comes back where it can be used again.
async fn execute(
    connection: Option<PgConnection>,
    options: PgConnectOptions,
    origin: String,
    command: Command,
) -> Ended {
    let name = command.name();
    let started = Instant::now();
    let outcome = match (command, connection) {
        (Command::Connect { wait }, _) => {
            sleep(wait).await;
            let connecting = PgConnection::connect_with(&options);
            match within(CONNECT_TIMEOUT, connecting).await {
                Ok(connection) => (Some(connection), Reply::Connected),
                Err(error) => (None, Reply::Failed(error.into())),
            }
        }
        (_, None) => {
            let error = sqlx::Error::Protocol("no connection".to_owned());
            (None, Reply::Failed(error.into()))
        }
        (command, Some(mut connection)) => {
            let statement = statement(&mut connection, &origin, &command);
            let reply = match within(REPLY_TIMEOUT, statement).await {
                Ok(reply) => reply,
                Err(error) => Reply::Failed(Failure::of(&command, error)),
            };
            // Without its end the statement may still be running there: never used again.
            let lost = matches!(reply, Reply::Failed(Failure::Lost(_)));
            ((!lost).then_some(connection), reply)
        }
    };
    metrics::histogram!("ledger_statement_seconds", "statement" => name)
        .record(started.elapsed().as_secs_f64());
    outcome
}

async fn statement(
    connection: &mut PgConnection,
    origin: &str,
    command: &Command,
) -> statements::Result<Reply> {
    match command {
        Command::Load { chains } => statements::load(connection, chains).await,
        Command::Create { chains } => statements::create(connection, chains).await,
        Command::Swap(swap) => statements::swap(connection, swap).await,
        Command::Find { ids } => statements::find(connection, origin, ids).await,
        Command::Unlock => statements::unlock(connection).await,
        Command::Connect { .. } => Ok(Reply::Connected),
    }
}
