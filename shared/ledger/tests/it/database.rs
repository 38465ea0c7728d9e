//! What each test begins with: a migrated database, ledgers on it, entries to append.

use std::sync::Arc;

use chain::{Entry, Recorder};
use ledger::{Append, Config, Entries, Ledger, Receipt, Tenant, append};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

pub(crate) const ORIGIN: &str = "audit.example.com";

/// A database with the ledger's schema. `pool` is the superuser's.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) pool: PgPool,
}

impl Database {
    pub(crate) async fn new(pool: PgPool) -> Self {
        let url = url(pool.connect_options().get_database().unwrap());
        ledger::migrate(&url).await.unwrap();
        Self { url, pool }
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(self.url.clone().into(), ORIGIN.to_owned());
        config.allow_unsafe_server = true;
        config
    }

    pub(crate) async fn ledger(&self) -> Ledger {
        Ledger::start(self.config()).await.unwrap()
    }
}

/// The address of another database on the server of the tests.
pub(crate) fn url(database: &str) -> String {
    let given = std::env::vars().find(|(name, _)| name == "DATABASE_URL");
    let (_, given) = given.expect("DATABASE_URL is set");
    let (server, query) = match given.split_once('?') {
        Some((server, query)) => (server.to_owned(), format!("?{query}")),
        None => (given, String::new()),
    };
    let (server, _) = server.rsplit_once('/').unwrap();
    format!("{server}/{database}{query}")
}

pub(crate) fn tenant(code: &str) -> Tenant {
    Tenant {
        id: Uuid::now_v7(),
        code: code.to_owned(),
    }
}

const RECORDER: Recorder<'static> = Recorder {
    kind: "service",
    id: "0197a0a0-0000-7000-8000-000000000001",
};

/// An entry whose id the server makes.
pub(crate) fn entry(partition: &str, number: usize) -> Entry {
    let posted = format!(
        r#"{{"partition":"{partition}","action":"invoice.paid","actor":{{"type":"user","id":"u{number}","name":"Name {number}"}},"metadata":{{"number":{number}}}}}"#
    );
    Entry::parse(posted.as_bytes(), RECORDER, Uuid::now_v7()).unwrap()
}

/// An entry with an id of the caller's own.
pub(crate) fn entry_with_id(partition: &str, id: Uuid, number: usize) -> Entry {
    let posted = format!(
        r#"{{"id":"{id}","partition":"{partition}","action":"invoice.paid","actor":{{"type":"user","id":"u{number}"}},"description":"number {number}"}}"#
    );
    Entry::parse(posted.as_bytes(), RECORDER, Uuid::nil()).unwrap()
}

pub(crate) fn request(tenant: &Tenant, partition: &str, entries: Vec<Entry>) -> Append {
    Append {
        tenant: tenant.clone(),
        partition: partition.to_owned(),
        entries: Entries::new(entries),
        admit: Arc::new(|| true),
    }
}

pub(crate) async fn append(
    ledger: &Ledger,
    tenant: &Tenant,
    partition: &str,
    entries: Vec<Entry>,
) -> Result<Vec<Receipt>, append::Error> {
    ledger.append(request(tenant, partition, entries)).await
}

/// As the superuser, past the triggers.
pub(crate) async fn tamper(pool: &PgPool, statements: &str) {
    let statements =
        format!("begin; set local session_replication_role = replica; {statements}; commit");
    sqlx::raw_sql(AssertSqlSafe(statements))
        .execute(pool)
        .await
        .unwrap();
}
