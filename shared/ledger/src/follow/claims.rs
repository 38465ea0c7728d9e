//! Who works on what: advisory locks of one session, so that they end with it. They spare work done
//! twice; nothing may go wrong when two processes hold one, so whoever claims something is not alone with it for sure.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use super::Followed;
use crate::{Error, connect};

/// Longest wait for an answer; then the connection is given up, and all its claims with it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The claims of one process. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct Claims {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: PgConnectOptions,
    connection: tokio::sync::Mutex<Option<PgConnection>>,
    held: Mutex<Held>,
}

/// What the database does not know: a session may take its own lock again.
#[derive(Debug, Default)]
struct Held {
    names: HashSet<String>,
    /// A claim was dropped and not given back: the session still has its lock.
    left_over: bool,
}

/// Something that nobody else claims, most likely. Given back by [`Claim::give_back`]; dropped, it
/// ends a little later.
#[derive(Debug)]
pub struct Claim {
    shared: Arc<Shared>,
    name: String,
    given_back: bool,
}

impl Followed {
    /// Claims on a connection of their own.
    pub fn claims(&self) -> Result<Claims, Error> {
        Ok(Claims {
            shared: Arc::new(Shared {
                options: connect::follower_options(&self.config, "ledger claims")?,
                connection: tokio::sync::Mutex::new(None),
                held: Mutex::default(),
            }),
        })
    }
}

impl Claims {
    /// `None` when somebody has it, in this process or in another. Never waits for him.
    pub async fn take(&self, name: &str) -> Result<Option<Claim>, Error> {
        if !self.shared.held().names.insert(name.to_owned()) {
            return Ok(None);
        }
        let mut claim = Claim {
            shared: Arc::clone(&self.shared),
            name: name.to_owned(),
            given_back: false,
        };
        let taken = self.shared.ask(name, true).await?;
        claim.given_back = !taken;
        Ok(taken.then_some(claim))
    }
}

impl Claim {
    /// For whoever asks next. An error means that the claim ends with its connection.
    pub async fn give_back(mut self) -> Result<(), Error> {
        self.shared.ask(&self.name, false).await?;
        self.given_back = true;
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut held = self.shared.held();
        held.names.remove(&self.name);
        held.left_over |= !self.given_back;
    }
}

impl Shared {
    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, name: &str, take: bool) -> Result<bool, Error> {
        let mut kept = self.connection.lock().await;
        // Taken out meanwhile: whatever ends this early leaves no connection whose claims nobody
        // knows. One with claims that nobody has any more goes as well.
        let connection = kept.take();
        let left_over = std::mem::take(&mut self.held().left_over);
        let mut connection = match connection.filter(|_| !left_over) {
            Some(connection) => connection,
            // Without its connection a claim has ended.
            None if !take => return Ok(false),
            None => tokio::time::timeout(PATIENCE, PgConnection::connect_with(&self.options))
                .await
                .map_err(|_| timed_out())?
                .map_err(Error::from_sqlx)?,
        };
        let asked = sqlx::query_scalar!(
            r#"select case when $2 then pg_try_advisory_lock(hashtextextended($1, 0))
                           else pg_advisory_unlock(hashtextextended($1, 0)) end as "done!""#,
            name,
            take,
        )
        .fetch_one(&mut connection);
        let done = tokio::time::timeout(PATIENCE, asked)
            .await
            .map_err(|_| timed_out())?
            .map_err(Error::from_sqlx)?;
        *kept = Some(connection);
        Ok(done)
    }
}

fn timed_out() -> Error {
    Error::Unavailable(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
}
