//! A queue that nobody receives from must not fill the disk of the ledger: SQS forgets messages after days,
//! a table takes no more of them beyond a number.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Postgres, connect};
use crate::Error;

/// Messages of a queue, waiting and leased. Those of several senders within [`LOOK`] may come on top.
const MOST: i64 = 100_000;
/// Counting so far takes some milliseconds, so it is not done with every call.
const LOOK: Duration = Duration::from_secs(5);

/// What the last look found, and when.
#[derive(Default)]
pub(super) struct Full {
    last: Mutex<Option<(Instant, bool)>>,
}

impl Postgres {
    pub(super) async fn refuse_when_full(&self) -> Result<(), Error> {
        let last = *self
            .full
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let full = match last {
            Some((when, full)) if when.elapsed() < LOOK => full,
            _ => self.look().await?,
        };
        if full {
            return Err(Error::Unavailable("the queue is full".into()));
        }
        Ok(())
    }

    async fn look(&self) -> Result<bool, Error> {
        let full = sqlx::query_scalar!(
            r#"select exists (
                 select from queue.messages where queue = $1 order by id offset $2 limit 1
               ) as "full!""#,
            self.name,
            MOST - 1,
        );
        let full = connect::answer(full.fetch_one(&self.pool)).await?;
        if full {
            tracing::warn!(
                queue = self.name,
                "the queue is full: does anybody receive from it?"
            );
        }
        let mut last = self
            .full
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some((Instant::now(), full));
        Ok(full)
    }
}
