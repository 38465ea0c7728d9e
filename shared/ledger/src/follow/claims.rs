//! Who works on what: advisory locks of one session, so that they end with it. They spare work done
//! twice; nothing is wrong when two hold one.

use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::Mutex;

use super::Followed;
use crate::{Error, connect};

/// Longest wait for an answer; then the connection is given up, and all its claims with it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The claims of one process. Within it a claim may be taken several times.
#[derive(Debug)]
pub struct Claims {
    options: PgConnectOptions,
    connection: Mutex<Option<PgConnection>>,
}

impl Followed {
    /// Claims on a connection of their own.
    pub fn claims(&self) -> Result<Claims, Error> {
        Ok(Claims {
            options: connect::follower_options(&self.config, "ledger claims")?,
            connection: Mutex::new(None),
        })
    }
}

impl Claims {
    /// Whether `name` is this process's now. Never waits for another holder.
    pub async fn take(&self, name: &str) -> Result<bool, Error> {
        self.ask(name, true).await
    }

    /// Gives `name` to whoever asks next.
    pub async fn give_back(&self, name: &str) -> Result<(), Error> {
        self.ask(name, false).await.map(drop)
    }

    async fn ask(&self, name: &str, take: bool) -> Result<bool, Error> {
        let mut held = self.connection.lock().await;
        // Taken out meanwhile: whatever ends this early leaves no connection behind whose claims
        // nobody knows.
        let connection = match held.take() {
            Some(connection) => connection,
            // Without a connection there is no claim to give back.
            None if !take => return Ok(false),
            None => tokio::time::timeout(PATIENCE, PgConnection::connect_with(&self.options))
                .await
                .map_err(|_| timed_out())?
                .map_err(Error::from_sqlx)?,
        };
        let mut connection = connection;
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
        *held = Some(connection);
        Ok(done)
    }
}

fn timed_out() -> Error {
    Error::Unavailable(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
}
