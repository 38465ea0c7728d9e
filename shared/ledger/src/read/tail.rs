//! What grows right now, over the chains of many tenants at once. For a tailer, which hands each
//! entry to readers of its own tenant alone: what is asked for and what is answered name the tenant
//! each time. It never decides who may see what.

mod grown;

use chain::{Hash, Timestamp};
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};
use tokio::time::Instant;
use uuid::Uuid;

pub use self::grown::{Grown, Growth};
use crate::connect::{CONNECT_TIMEOUT, TRUSTED, within};
use crate::rows::{decode_hash, place};
use crate::{Error, Ledger};

/// A chain's head, whosever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantHead {
    pub tenant: Uuid,
    pub partition: String,
    pub generation: u32,
    /// Number of entries; the last one has seq `size - 1`.
    pub size: u64,
    /// The last entry's hash, or the chain's genesis hash while `size` is 0.
    pub hash: Hash,
    /// When the last entry was received; `None` while `size` is 0.
    pub received_at: Option<Timestamp>,
}

/// Looks with a connection of its own, which it makes when it first looks, and again after an error. A
/// pool would ask after each statement whether the connection lives. A future that is dropped takes the
/// connection along.
pub struct Tail {
    ledger: Ledger,
    connection: Option<Idle>,
}

struct Idle {
    connection: PgConnection,
    since: Instant,
}

impl Ledger {
    /// Does not connect yet.
    pub fn tail(&self) -> Tail {
        Tail {
            ledger: self.clone(),
            connection: None,
        }
    }
}

impl Tail {
    /// The heads of all chains of `tenants` and of the named chains, in no order. What has no head
    /// (yet) is left out.
    pub async fn heads_of(
        &mut self,
        tenants: &[Uuid],
        chains: &[(Uuid, &str)],
    ) -> Result<Vec<TenantHead>, Error> {
        let (of, names): (Vec<Uuid>, Vec<&str>) = chains.iter().copied().unzip();
        let mut connection = self.connected().await?;
        let rows = sqlx::query_file!("src/read/tail/heads.sql", tenants, &of, &names as &[&str])
            .fetch_all(&mut connection)
            .await
            .map_err(Error::from_sqlx)?;
        self.keep(connection);
        let heads = rows.into_iter().filter_map(|row| {
            let (generation, size, received_at) = place(row.generation, row.size, row.received_at)?;
            Some(TenantHead {
                tenant: row.tenant,
                generation,
                size,
                hash: decode_hash(&row.hash).ok()?,
                received_at: (size > 0).then_some(received_at),
                partition: row.partition,
            })
        });
        Ok(heads.collect())
    }

    /// Ends the connection, so that the server need not find out by itself.
    pub async fn close(mut self) {
        if let Some(idle) = self.connection.take() {
            let _ = within(CONNECT_TIMEOUT, idle.connection.close()).await;
        }
    }

    async fn connected(&mut self) -> Result<PgConnection, Error> {
        if let Some(mut idle) = self.connection.take() {
            let alive = idle.since.elapsed() < TRUSTED
                || within(CONNECT_TIMEOUT, idle.connection.ping())
                    .await
                    .is_ok();
            if alive {
                return Ok(idle.connection);
            }
        }
        let connecting = self.ledger.shared.tail.connect();
        let connected = within(CONNECT_TIMEOUT, connecting).await;
        connected.map_err(Error::from_sqlx)
    }

    fn keep(&mut self, connection: PgConnection) {
        self.connection = Some(Idle {
            connection,
            since: Instant::now(),
        });
    }
}
