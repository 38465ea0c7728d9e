//! Messages between services: SQS or PostgreSQL. Never knows what a message means, and is never the
//! only place that remembers: a message is a hint, the database is the truth.

mod error;
mod measure;
mod message;
mod postgres;
mod sqs;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

pub use error::Error;
pub use measure::measure;
pub use message::{MAX_BODY_BYTES, Message};

/// After so many receives without [`Queue::done`] a message goes to the dead letters by itself. On
/// SQS it is the queue's own redrive policy that decides, and this is what ours is set to.
pub const MAX_RECEIVES: u32 = 5;
/// Longest wait of [`Queue::receive`]; more is cut to it.
pub const MAX_WAIT: Duration = Duration::from_secs(20);
/// Longest lease, extensions included, and longest pause of [`Queue::give_back`]; more is cut to it.
pub const MAX_LEASE: Duration = Duration::from_hours(12);

/// One queue, at least once and in no order. All methods may be called from many tasks and processes.
///
/// Every method answers within bounded time (a few seconds, [`Queue::receive`] after its wait) and
/// gives [`Error::Unavailable`] when the server does not; the next call then works if the server
/// does. So a loop around `receive` pauses after an error.
///
/// A lease that has run out is lost, whether or not somebody else has the message yet: what its
/// holder does afterwards changes nothing.
#[async_trait]
pub trait Queue: Send + Sync {
    /// As its URL names it; for logs and metrics.
    fn name(&self) -> &str;

    /// Puts messages in. Durable when it returns; after an error any of them may be there, and sending
    /// them again may double them. Any number; each body is 1 to [`MAX_BODY_BYTES`] bytes without
    /// control characters (JSON has none), else [`Error::InvalidBody`] and nothing is sent. A queue in
    /// PostgreSQL takes no more than about 100,000 messages: then it is [`Error::Unavailable`] to senders.
    async fn send(&self, bodies: &[String]) -> Result<(), Error>;

    /// Up to `max` messages, waiting up to `wait` (≤ [`MAX_WAIT`]) for the first; empty when none
    /// came. Each is the caller's for `lease` (1 s to [`MAX_LEASE`], whole seconds), then it comes
    /// again. Dropping the future may leave messages leased: they come again after the lease.
    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        lease: Duration,
    ) -> Result<Vec<Message>, Error>;

    /// The message is the caller's for `lease` from now. [`Error::LeaseLost`] when it is no longer.
    async fn extend(&self, message: &Message, lease: Duration) -> Result<(), Error>;

    /// The work is done: the messages do not come again. Those whose lease was lost are passed over
    /// silently. After an error any of them may come again.
    async fn done(&self, messages: &[Message]) -> Result<(), Error>;

    /// The work failed: the message comes again after a pause (≤ [`MAX_LEASE`], whole seconds), or
    /// goes to the dead letters if this was its last receive. [`Error::LeaseLost`] as `extend`.
    async fn give_back(&self, message: &Message, after: Duration) -> Result<(), Error>;

    /// The message can never be worked on: straight to the dead letters, with a reason for whoever
    /// looks there (cut to 1,000 bytes; no secrets). [`Error::LeaseLost`] as `extend`. Dying in
    /// between may leave it in both places.
    async fn bury(&self, message: &Message, reason: &str) -> Result<(), Error>;

    /// How much is there. Approximate on SQS, and up to a minute old.
    async fn depth(&self) -> Result<Depth, Error>;

    /// Answers when the queue can be reached and is what it should be.
    async fn ready(&self) -> Result<(), Error>;
}

/// How many messages a queue has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// To be received now, or after the pause of a [`Queue::give_back`] (SQS counts these as leased).
    pub waiting: u64,
    /// Somebody is at work on them.
    pub leased: u64,
    pub dead: u64,
}

/// The queue that `url` names:
///
/// - `sqs://NAME`: region, credentials and endpoint as every AWS client finds them (`AWS_REGION`,
///   `AWS_ENDPOINT_URL`, profile, instance role …); `?endpoint=URL` and `?region=NAME` take
///   precedence. The queue must be a standard one with a redrive policy.
/// - `postgres://…?queue=NAME`: the database's connection URL and the queue's name
///   (`[a-z0-9][a-z0-9_-]*`, ≤ 40 characters). The schema must be there: see [`migrate`].
///
/// A server that is down is no error here: the queue is checked with its first use instead.
pub async fn open(url: &SecretString) -> Result<Arc<dyn Queue>, Error> {
    measure::describe();
    let url = url.expose_secret();
    match url.split_once(':') {
        Some(("sqs", _)) => Ok(Arc::new(sqs::open(url).await?)),
        Some(("postgres" | "postgresql", _)) => Ok(Arc::new(postgres::open(url).await?)),
        _ => Err(Error::InvalidUrl("begins with neither sqs: nor postgres:")),
    }
}

/// Creates the schema `queue` with its role, or brings it up to date. For queues in PostgreSQL only;
/// `url` as [`open`] takes it, of a superuser or of a login role that may create roles and schemas.
pub async fn migrate(url: &SecretString) -> Result<(), Error> {
    postgres::migrate(url.expose_secret()).await
}
