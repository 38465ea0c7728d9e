//! What each test begins with: a ledger with entries, an index, workers; and what each ends with:
//! every entry found once.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chain::{Entry, Mask, Recorder};
use indexer_worker::{Settings, State, VISIBLE, WRITTEN};
use ledger::follow::{self, Followed};
use ledger::{Append, Entries, Ledger, Tenant};
use query::{Filter, Order};
use search::{Ask, Search, Window};
use service::Shutdown;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::task::JoinHandle;
use url::Url;
use uuid::Uuid;

/// Small bulks, so that a few entries have many steps.
pub(crate) const BULK: u32 = 3;
pub(crate) const DEFAULT: &str = "default";
const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Index {
    Embedded,
    OpenSearch,
}

pub(crate) struct World {
    pub(crate) url: Url,
    pub(crate) ledger: Ledger,
    pub(crate) followed: Followed,
    pub(crate) search: Arc<dyn Search>,
    name: String,
    settings: search::Settings,
    folder: PathBuf,
}

/// Where the servers of the tests are, only the tests know.
pub(crate) fn variable(name: &str) -> String {
    let given = std::env::vars().find(|(given, _)| given == name);
    given.unwrap_or_else(|| panic!("{name} is set")).1
}

impl World {
    pub(crate) async fn new(index: Index) -> Self {
        let server = variable("DATABASE_URL");
        let name = format!("indexer_test_{}", Uuid::now_v7().simple());
        let mut admin = PgConnection::connect(&server).await.unwrap();
        let create = format!("create database {name}");
        admin.execute(AssertSqlSafe(create)).await.unwrap();
        let mut url: Url = server.parse().unwrap();
        url.set_path(&name);
        ledger::migrate(url.as_str()).await.unwrap();
        let origin = "audit.test".to_owned();
        let mut config = ledger::Config::new(url.as_str().into(), origin);
        config.allow_unsafe_server = true;
        let folder = std::env::temp_dir().join(&name);
        let mut settings = search::Settings::of(match index {
            Index::Embedded => Url::from_directory_path(&folder).unwrap(),
            Index::OpenSearch => variable("OPENSEARCH_URL").parse().unwrap(),
        });
        settings.prefix = format!("test-{}", Uuid::new_v4().simple());
        settings.pools = 1;
        Self {
            ledger: Ledger::start(config).await.unwrap(),
            followed: followed(&url),
            search: search::open(settings.clone()).await.unwrap(),
            url,
            name,
            settings,
            folder,
        }
    }

    /// A worker as another process would have it, on an index that may be this one's.
    pub(crate) fn worker(&self, search: Arc<dyn Search>) -> State {
        self.hinted(search, None)
    }

    /// With bulks as large as they usually are.
    pub(crate) fn fast_worker(&self, search: Arc<dyn Search>) -> State {
        State::new(followed(&self.url), search, None, Settings::default(), None).unwrap()
    }

    pub(crate) fn hinted(
        &self,
        search: Arc<dyn Search>,
        queue: Option<Arc<dyn queue::Queue>>,
    ) -> State {
        let settings = Settings {
            rows: BULK,
            ..Settings::default()
        };
        State::new(followed(&self.url), search, queue, settings, None).unwrap()
    }

    /// With a short line, and sweeps that come quickly.
    pub(crate) fn narrow_worker(&self, search: Arc<dyn Search>) -> State {
        let settings = Settings {
            waiting: 4,
            sweep: Duration::from_millis(200),
            ..Settings::default()
        };
        State::new(followed(&self.url), search, None, settings, None).unwrap()
    }

    pub(crate) fn state(&self) -> State {
        self.worker(Arc::clone(&self.search))
    }

    /// Of the names of all indices.
    pub(crate) fn prefix(&self) -> &str {
        &self.settings.prefix
    }

    /// The index as another process has it; an embedded one has a single process.
    pub(crate) async fn another_search(&self) -> Arc<dyn Search> {
        if self.settings.url.scheme() == "file" {
            return Arc::clone(&self.search);
        }
        search::open(self.settings.clone()).await.unwrap()
    }

    /// The index as a program of another form has it.
    pub(crate) async fn of_form(&self, form: u32) -> Arc<dyn Search> {
        let mut settings = self.settings.clone();
        settings.form = form;
        search::open(settings).await.unwrap()
    }

    pub(crate) async fn append(&self, tenant: &Tenant, partition: &str, count: usize) {
        self.ledger
            .create_partition(tenant, partition)
            .await
            .unwrap();
        let entries = (0..count).map(|number| entry(partition, number)).collect();
        let append = Append {
            tenant: tenant.clone(),
            partition: partition.to_owned(),
            entries: Entries::new(entries),
            admit: Arc::new(|| true),
        };
        self.ledger.append(append).await.unwrap();
    }

    /// As the superuser, past the triggers.
    pub(crate) async fn tamper(&self, statements: &str) {
        let mut connection = PgConnection::connect(self.url.as_str()).await.unwrap();
        let statements = format!("set session_replication_role = replica; {statements}");
        let statements = sqlx::raw_sql(AssertSqlSafe(statements));
        statements.execute(&mut connection).await.unwrap();
    }

    /// As by a connection that is lost: all claims of everybody are over.
    pub(crate) async fn end_claims(&self) {
        self.tamper(
            "select pg_terminate_backend(pid, 60000) from pg_stat_activity \
              where application_name = 'ledger claims' and datname = current_database()",
        )
        .await;
    }

    /// Until searches find everything of the chain, as the cursor says.
    pub(crate) async fn until_visible(&self, tenant: &Tenant, partition: &str, next: u64) {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        let chain = ledger::Chain {
            tenant: tenant.id,
            partition: partition.to_owned(),
        };
        let seen = async {
            loop {
                tick.tick().await;
                let chains = std::slice::from_ref(&chain);
                let cursors = self.ledger.progress(VISIBLE, chains).await.unwrap();
                if cursors.iter().any(|cursor| cursor.next >= next) {
                    return;
                }
            }
        };
        let seen = tokio::time::timeout(DEADLINE, seen).await;
        seen.unwrap_or_else(|_| panic!("{partition}/{next} is visible within {DEADLINE:?}"));
    }

    /// Seqs of a chain that an empty filter finds, in the order they come.
    pub(crate) async fn found(&self, tenant: &Tenant, partition: &str) -> Vec<u64> {
        found_in(&self.search, tenant, partition).await.unwrap()
    }

    /// Every entry of the tenants is found once, or is on record as not indexed; and the cursors say
    /// so.
    pub(crate) async fn verify(&self, tenants: &[&Tenant]) {
        for tenant in tenants {
            let notes = self.followed.unindexed(tenant.id, 1_000).await.unwrap();
            for partition in self.ledger.partitions(tenant).await.unwrap() {
                let (name, size) = (&partition.partition, partition.size);
                if size == 0 {
                    continue;
                }
                let noted = notes.iter().filter(|note| note.partition == *name);
                let noted: BTreeSet<u64> = noted.map(|note| note.seq).collect();
                let expected: Vec<u64> = (0..size).filter(|seq| !noted.contains(seq)).collect();
                assert_eq!(self.found(tenant, name).await, expected, "{name}");
                let chain = ledger::Chain {
                    tenant: tenant.id,
                    partition: name.clone(),
                };
                for follower in [WRITTEN, VISIBLE] {
                    let due = self.followed.due(follower, &chain).await.unwrap();
                    assert_eq!(due, [], "{follower} of {name}");
                }
            }
        }
    }

    pub(crate) async fn end(self, tenants: &[&Tenant]) {
        for tenant in tenants {
            self.search.drop_tenant(tenant.id).await.unwrap();
        }
        self.ledger.stop().await;
        self.followed.stop().await;
        let _ = std::fs::remove_dir_all(&self.folder);
        let server = variable("DATABASE_URL");
        let mut admin = PgConnection::connect(&server).await.unwrap();
        let drop = format!("drop database {} with (force)", self.name);
        admin.execute(AssertSqlSafe(drop)).await.unwrap();
    }
}

/// The same in any index.
pub(crate) async fn found_in(
    search: &Arc<dyn Search>,
    tenant: &Tenant,
    partition: &str,
) -> Result<Vec<u64>, search::Error> {
    let filter = Filter::default();
    let windows = [Window {
        partition: partition.to_owned(),
        generation: 1,
        from: 0,
        to: u64::MAX >> 1,
    }];
    let (mut seqs, mut after) = (Vec::new(), None);
    loop {
        let ask = Ask {
            filter: &filter,
            windows: &windows,
            mask: Mask::Nothing,
            order: Order::Ascending,
            limit: 7,
            after,
        };
        let hits = search.find(tenant.id, &ask).await?;
        seqs.extend(hits.iter().map(|hit| hit.seq));
        after = hits.into_iter().last();
        if after.is_none() {
            return Ok(seqs);
        }
    }
}

fn followed(url: &Url) -> Followed {
    Followed::new(follow::Config::new(url.as_str().into())).unwrap()
}

pub(crate) fn tenant(code: &str) -> Tenant {
    Tenant {
        id: Uuid::now_v7(),
        code: code.to_owned(),
    }
}

fn entry(partition: &str, number: usize) -> Entry {
    let recorder = Recorder {
        kind: "service",
        id: "0197a0a0-0000-7000-8000-000000000001",
    };
    let posted = format!(
        r#"{{"partition":"{partition}","action":"invoice.paid","actor":{{"type":"user","id":"u{number}","name":"Name {number}"}},"description":"number {number}"}}"#
    );
    Entry::parse(posted.as_bytes(), recorder, Uuid::now_v7()).unwrap()
}

/// A worker at work, until it is asked to stop.
pub(crate) struct Running {
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(state: State) -> Self {
        let shutdown = Shutdown::new();
        let task = tokio::spawn(indexer_worker::run(state, shutdown.clone()));
        Self { shutdown, task }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        self.task.await.unwrap();
    }

    /// As by a kill.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}
