//! A queue in tables of PostgreSQL, schema `queue`. Tables are the truth; `notify` only wakes up who waits.

mod claim;
mod connect;
mod full;
mod migrate;
mod wake;

use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgPool;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use self::full::Full;
use self::wake::Wake;
use crate::measure;
use crate::message::{self, Lease};
use crate::{Depth, Error, MAX_LEASE, MAX_WAIT, Message, Queue};

pub(crate) use self::migrate::migrate;

/// Bodies of one insert: so many, and no more bytes than this after the first.
const SEND_MESSAGES: usize = 1_000;
const SEND_BYTES: usize = 4 << 20;
/// What one receive may bring: bodies are held in memory.
const RECEIVE_MESSAGES: usize = 100;
/// A receiver that nobody woke up looks again after this: notices get lost with their connection.
const POLL: Duration = Duration::from_secs(5);

pub(crate) struct Postgres {
    name: String,
    pool: PgPool,
    wake: Wake,
    full: Full,
}

/// Splits `postgres://…?queue=NAME` into the URL that PostgreSQL's clients know and the name.
pub(crate) fn split(url: &str) -> Result<(Url, Option<String>), Error> {
    let mut url = Url::parse(url).map_err(|_| Error::InvalidUrl("is not a URL"))?;
    let mut name = None;
    let mut rest = Vec::new();
    for (key, value) in url.query_pairs() {
        if key == "queue" {
            name = Some(value.into_owned());
        } else {
            rest.push((key.into_owned(), value.into_owned()));
        }
    }
    url.set_query(None);
    if !rest.is_empty() {
        url.query_pairs_mut().extend_pairs(rest);
    }
    Ok((url, name))
}

pub(crate) async fn open(url: &str) -> Result<Postgres, Error> {
    let (url, name) = split(url)?;
    let name = name.ok_or(Error::InvalidUrl("names no queue: add ?queue=NAME"))?;
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let named = name.len() <= 40
        && name.starts_with(letters)
        && name.chars().all(|c| letters(c) || c == '-' || c == '_');
    if !named {
        return Err(Error::InvalidUrl("names a queue that breaks the rule"));
    }
    let pool = connect::pool(&url, 4)?;
    let wake = Wake::new(connect::pool(&url, 1)?, &name);
    let full = Full::default();
    let queue = Postgres {
        name,
        pool,
        wake,
        full,
    };
    match queue.ready().await {
        Err(error @ Error::Unavailable(_)) => {
            tracing::warn!(queue = queue.name, error = ?error, "the queue is not available yet");
        }
        answer => answer?,
    }
    Ok(queue)
}

#[async_trait]
impl Queue for Postgres {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, bodies: &[String]) -> Result<(), Error> {
        message::check(bodies)?;
        self.refuse_when_full().await?;
        let mut rest = bodies;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(message::fitting(rest, SEND_MESSAGES, SEND_BYTES));
            // One statement is one transaction: the notice goes out with the rows.
            let sent = sqlx::query!(
                r#"with sent as (
                     insert into queue.messages (queue, body)
                     select $1, body from unnest($2::text[]) b(body)
                     returning 1
                   )
                   select count(*) as "sent!", pg_notify($3, '') as notice from sent"#,
                self.name,
                now,
                self.wake.channel(),
            );
            connect::answer(sent.fetch_one(&self.pool)).await?;
            rest = later;
        }
        Ok(())
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        lease: Duration,
    ) -> Result<Vec<Message>, Error> {
        let deadline = Instant::now() + wait.min(MAX_WAIT);
        let max = max.clamp(1, RECEIVE_MESSAGES);
        loop {
            // Begins to listen before it looks, so that nothing falls in between.
            let woken = self.wake.woken();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let claimed = self.claim(max, lease).await?;
            if !claimed.messages.is_empty() {
                return Ok(claimed.messages);
            }
            if claimed.dead > 0 {
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Vec::new());
            }
            let pause = self.next_due().await?.min(POLL).min(left);
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn extend(&self, message: &Message, lease: Duration) -> Result<(), Error> {
        let (id, receipt) = key(message).ok_or(Error::LeaseLost)?;
        let extended = sqlx::query!(
            "update queue.messages set due = now() + make_interval(secs => $4)
              where queue = $1 and id = $2 and receipt = $3 and due > now()",
            self.name,
            id,
            receipt,
            seconds(lease),
        );
        held(&connect::answer(extended.execute(&self.pool)).await?)
    }

    async fn done(&self, messages: &[Message]) -> Result<(), Error> {
        let (ids, receipts): (Vec<i64>, Vec<Uuid>) = messages.iter().filter_map(key).unzip();
        if ids.is_empty() {
            return Ok(());
        }
        let gone = sqlx::query!(
            "delete from queue.messages m using unnest($2::int8[], $3::uuid[]) d(id, receipt)
              where m.queue = $1 and m.id = d.id and m.receipt = d.receipt and m.due > now()",
            self.name,
            &ids,
            &receipts,
        );
        connect::answer(gone.execute(&self.pool)).await?;
        Ok(())
    }

    async fn give_back(&self, message: &Message, after: Duration) -> Result<(), Error> {
        let (id, receipt) = key(message).ok_or(Error::LeaseLost)?;
        let after = after.min(MAX_LEASE);
        let given = sqlx::query!(
            "with given as (
               update queue.messages set due = now() + make_interval(secs => $4), receipt = null
                where queue = $1 and id = $2 and receipt = $3 and due > now()
               returning 1
             )
             select pg_notify($5, '') as notice from given",
            self.name,
            id,
            receipt,
            after.as_secs_f64(),
            self.wake.channel(),
        );
        let given = connect::answer(given.fetch_optional(&self.pool)).await?;
        given.map(|_| ()).ok_or(Error::LeaseLost)
    }

    async fn bury(&self, message: &Message, reason: &str) -> Result<(), Error> {
        let (id, receipt) = key(message).ok_or(Error::LeaseLost)?;
        let buried = sqlx::query!(
            "with dead as (
               delete from queue.messages
                where queue = $1 and id = $2 and receipt = $3 and due > now()
               returning id, receives, sent_at, body
             )
             insert into queue.dead_letters (queue, id, receives, sent_at, reason, body)
             select $1, id, receives, sent_at, $4, body from dead",
            self.name,
            id,
            receipt,
            message::reason(reason),
        );
        held(&connect::answer(buried.execute(&self.pool)).await?)?;
        measure::buried(&self.name, 1);
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, Error> {
        let depth = sqlx::query!(
            r#"select count(*) filter (where receipt is null or due <= now()) as "waiting!",
                      count(*) filter (where receipt is not null and due > now()) as "leased!",
                      (select count(*) from queue.dead_letters where queue = $1) as "dead!"
                 from queue.messages where queue = $1"#,
            self.name,
        );
        let depth = connect::answer(depth.fetch_one(&self.pool)).await?;
        Ok(Depth {
            waiting: depth.waiting.try_into().unwrap_or_default(),
            leased: depth.leased.try_into().unwrap_or_default(),
            dead: depth.dead.try_into().unwrap_or_default(),
        })
    }

    async fn ready(&self) -> Result<(), Error> {
        let there = sqlx::query!(
            "select from queue.messages where queue = $1 limit 1",
            self.name
        );
        connect::answer(there.fetch_optional(&self.pool)).await?;
        Ok(())
    }
}

/// What a statement needs to know which receive is meant; `None` for a message of another queue.
fn key(message: &Message) -> Option<(i64, Uuid)> {
    let Lease::Postgres { receipt } = &message.lease else {
        return None;
    };
    Some((message.id.parse().ok()?, *receipt))
}

fn held(result: &sqlx::postgres::PgQueryResult) -> Result<(), Error> {
    if result.rows_affected() == 0 {
        return Err(Error::LeaseLost);
    }
    Ok(())
}

fn seconds(lease: Duration) -> f64 {
    message::lease(lease).as_secs_f64()
}
