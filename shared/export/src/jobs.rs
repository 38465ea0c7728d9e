//! The job table, schema `export`: the truth about which exports were asked for and what became of
//! them. The only SQL on it; it never reads an entry and never touches an object.
//!
//! `queued` → `running` → `finished` | `failed` | `cancelled`; a finished job becomes `expired` when
//! its object goes. A job whose lease has run out is as good as queued.

mod ask;
mod clean;
mod migrate;
mod row;
mod work;

use std::str::FromStr as _;
use std::time::Duration;

use chain::{Hash, Timestamp};
use ledger::Tenant;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use uuid::Uuid;

pub use ask::{Asked, Created};
pub use clean::{Kept, Remains, Waiting};
pub use migrate::migrate;
pub use work::{Claim, Ending, Room};

use crate::{Damage, Progress, Request, Stretch, Summary};

/// A worker that vanished this often over the same job takes it with it for good.
pub const MOST_LOST: i32 = 5;
/// A job whose object the store refused this often fails.
pub const MOST_REFUSED: u32 = 15;

/// Longest wait for a connection, a lock and a statement.
const ACQUIRE: Duration = Duration::from_secs(5);
const SETTINGS: [(&str, &str); 5] = [
    ("search_path", "pg_catalog"),
    ("lock_timeout", "5s"),
    ("statement_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("jit", "off"),
];

/// What a job is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Queued,
    Running,
    Finished,
    Failed,
    Cancelled,
    /// Was finished; the object is gone.
    Expired,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `damaged_entry`, `unknown_version`, `tenant_suspended`, `too_large`, `store_refused`,
    /// `abandoned`, `internal`.
    pub code: String,
    /// Of `damaged_entry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
}

/// An export job as the table has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub tenant: Tenant,
    pub id: Uuid,
    pub created_at: Timestamp,
    pub created_by: String,
    pub request: Request,
    pub stretches: Vec<Stretch>,
    /// Entries in all stretches together.
    pub total: u64,
    pub state: State,
    pub attempt: u32,
    /// The id of the record that it still waits for; nobody works on it before.
    pub unrecorded: Option<Uuid>,
    /// How often the store has refused its object.
    pub refused: u32,
    pub progress: Progress,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// Of a finished job.
    pub summary: Option<Summary>,
    /// Of a finished job: the last hash of each stretch, none where it is empty.
    pub hashes: Vec<Option<Hash>>,
    pub failure: Option<Failure>,
}

impl Job {
    /// Where this attempt's object is. An attempt that was overtaken writes elsewhere, so what
    /// somebody downloads never changes under him.
    pub fn key(&self) -> String {
        format!("{}{}", prefix(self.tenant.id, self.id), self.attempt)
    }

    pub fn file_name(&self) -> String {
        self.request.file_name(&self.tenant, self.created_at)
    }
}

/// Where everything of exports is.
pub const PREFIX: &str = "exports/";

/// Where everything of a job is. Tenants go by id: a code may be the beginning of another.
pub fn prefix(tenant: Uuid, id: Uuid) -> String {
    format!("{PREFIX}{}/{}/", tenant.simple(), id.simple())
}

/// Why the job table did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, or did not answer in time; trying again is right.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The database answered with a refusal that trying again will not change.
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
    #[error("migrating the schema export failed")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The attempt was overtaken, the job was cancelled, or it waited too long for its record: whoever
    /// meets this stops working on it.
    #[error("the job is somebody else's now")]
    Lost,
    /// Too many jobs of this tenant are open.
    #[error("the tenant has as many open jobs as it may have")]
    TooMany,
}

/// As what the table is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// log-service: `veritrail_export_ask`.
    Ask,
    /// export-worker: `veritrail_export_work`.
    Work,
}

/// The job table. Clones share connections.
#[derive(Clone, Debug)]
pub struct Jobs {
    pool: PgPool,
}

impl Jobs {
    /// Does not connect yet: a database that is down is no error here. The login role of `url` is a
    /// member of the role.
    pub fn open(url: &SecretString, role: Role, connections: u32) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url.expose_secret()).map_err(Error::Database)?;
        let (name, role) = match role {
            Role::Ask => ("exports asked for", "veritrail_export_ask"),
            Role::Work => ("exports at work", "veritrail_export_work"),
        };
        let options = options
            .application_name(name)
            .disable_statement_logging()
            .options(SETTINGS)
            .options([("role", role)]);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// Answers when the table is there.
    pub async fn ready(&self) -> Result<(), Error> {
        sqlx::query_scalar!("select id from export.jobs limit 0")
            .fetch_optional(&self.pool)
            .await?;
        Ok(())
    }

    /// Gives the connections back.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as Sqlx;
        let passing = match &error {
            Sqlx::Database(database) => {
                let code = database.code().unwrap_or_default();
                // Connections, resources, an administrator's hand, time-outs, conflicts.
                ["08", "28", "53", "57", "58", "40"]
                    .iter()
                    .any(|class| code.starts_with(class))
                    || ["55P03", "25006", "25P03", "3D000", "55000"].contains(&code.as_ref())
            }
            Sqlx::Io(_)
            | Sqlx::Tls(_)
            | Sqlx::Protocol(_)
            | Sqlx::PoolTimedOut
            | Sqlx::PoolClosed
            | Sqlx::WorkerCrashed => true,
            _ => false,
        };
        if passing {
            Self::Unavailable(error)
        } else {
            Self::Database(error)
        }
    }
}
