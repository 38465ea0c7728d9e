//! What each test begins with: a ledger with entries, a store, the job table; and what each ends
//! with: nothing in the store that no job has.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use chain::{Entry, Recorder};
use export::jobs::{self, Asked, Created, Job, Jobs, Role};
use export::{Format, Request};
use export_worker::{Settings, State};
use futures_util::TryStreamExt as _;
use ledger::{Append, Entries, Ledger, Tenant};
use query::Filter;
use queue::Queue;
use service::status::{Feed, StatusSet};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use store::Store;
use url::Url;
use uuid::Uuid;

const ORIGIN: &str = "audit.test";
/// Open jobs of a tenant.
const MOST: u32 = 3;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Directory,
    S3,
}

pub(crate) struct World {
    pub(crate) url: Url,
    pub(crate) ledger: Ledger,
    pub(crate) jobs: Jobs,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) feed: Feed,
    pub(crate) tenant: Tenant,
    name: String,
    folder: PathBuf,
    bucket: Option<(Client, String)>,
}

/// Where the servers of the tests are, only the tests know.
fn variable(name: &str) -> String {
    let given = std::env::vars().find(|(given, _)| given == name);
    given.unwrap_or_else(|| panic!("{name} is set")).1
}

pub(crate) fn request(format: Format, terms: &[(&str, &str)]) -> Request {
    Request {
        format,
        gzip: false,
        partitions: Vec::new(),
        filter: Filter::of_terms(terms.iter().copied()).unwrap(),
        personal: true,
    }
}

impl World {
    pub(crate) async fn new(place: Place) -> Self {
        let server = variable("DATABASE_URL");
        let name = format!("export_test_{}", Uuid::now_v7().simple());
        let mut admin = PgConnection::connect(&server).await.unwrap();
        let create = format!("create database {name}");
        admin.execute(AssertSqlSafe(create)).await.unwrap();
        let mut url: Url = server.parse().unwrap();
        url.set_path(&name);
        ledger::migrate(url.as_str()).await.unwrap();
        let secret = url.as_str().into();
        jobs::migrate(&secret).await.unwrap();
        let mut config = ledger::Config::new(secret.clone(), ORIGIN.to_owned());
        config.allow_unsafe_server = true;
        let folder = std::env::temp_dir().join(&name);
        let (store, bucket) = match place {
            Place::Directory => {
                let url = format!("file://{}", folder.display());
                (store::open(&url, None).await.unwrap(), None)
            }
            Place::S3 => {
                let endpoint = variable("LOCALSTACK_URL");
                let bucket = name.replace('_', "-");
                let client = client(&endpoint).await;
                client.create_bucket().bucket(&bucket).send().await.unwrap();
                let url = format!("s3://{bucket}/here?endpoint={endpoint}");
                let store = store::open(&url, None).await.unwrap();
                (store, Some((client, bucket)))
            }
        };
        let feed = Feed::new();
        feed.replace(StatusSet::default());
        let confirming = feed.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1));
            loop {
                ticks.tick().await;
                confirming.confirm();
            }
        });
        Self {
            ledger: Ledger::start(config).await.unwrap(),
            jobs: Jobs::open(&secret, Role::Ask, 2).unwrap(),
            store,
            feed,
            tenant: Tenant {
                id: Uuid::now_v7(),
                code: "acme".to_owned(),
            },
            url,
            name,
            folder,
            bucket,
        }
    }

    /// A worker as another process would have it.
    pub(crate) fn worker(&self) -> State {
        self.worker_on(Arc::clone(&self.store))
    }

    pub(crate) fn worker_on(&self, store: Arc<dyn Store>) -> State {
        self.worker_with(store, Settings::default())
    }

    pub(crate) fn worker_with(&self, store: Arc<dyn Store>, settings: Settings) -> State {
        self.make_worker(store, settings, None, &self.feed)
    }

    pub(crate) fn worker_with_queue(&self, queue: Arc<dyn Queue>) -> State {
        let store = Arc::clone(&self.store);
        self.make_worker(store, Settings::default(), Some(queue), &self.feed)
    }

    /// Of hints, in the same database.
    pub(crate) async fn queue(&self) -> Arc<dyn Queue> {
        let mut url = self.url.clone();
        queue::migrate(&url.as_str().into()).await.unwrap();
        url.query_pairs_mut().append_pair("queue", "exports");
        queue::open(&url.as_str().into()).await.unwrap()
    }

    pub(crate) fn worker_hearing(&self, feed: &Feed) -> State {
        let store = Arc::clone(&self.store);
        self.make_worker(store, Settings::default(), None, feed)
    }

    fn make_worker(
        &self,
        store: Arc<dyn Store>,
        settings: Settings,
        queue: Option<Arc<dyn Queue>>,
        feed: &Feed,
    ) -> State {
        let config = ledger::Config::new(self.url.as_str().into(), ORIGIN.to_owned());
        let ledger = Ledger::read_only(config).unwrap();
        let jobs = Jobs::open(&self.url.as_str().into(), Role::Work, 4).unwrap();
        State::new(ledger, jobs, store, queue, feed.clone(), settings)
    }

    pub(crate) async fn append(&self, partition: &str, posts: Vec<String>) {
        let ledger = &self.ledger;
        ledger
            .create_partition(&self.tenant, partition)
            .await
            .unwrap();
        let recorder = Recorder {
            kind: "service",
            id: "tests",
        };
        let entries = posts
            .iter()
            .map(|post| Entry::parse(post.as_bytes(), recorder, Uuid::now_v7()).unwrap());
        let append = Append {
            tenant: self.tenant.clone(),
            partition: partition.to_owned(),
            entries: Entries::new(entries.collect()),
            admit: Arc::new(|| true),
        };
        ledger.append(append).await.unwrap();
    }

    /// Entries of two actions in turn.
    pub(crate) async fn fill(&self, partition: &str, count: usize) {
        let post = |number: usize| {
            let action = ["invoice.paid", "user.login"][number % 2];
            format!(
                r#"{{"partition":"{partition}","action":"{action}","actor":{{"type":"user","id":"u{number}","name":"Ann Example"}},
                    "context":{{"ip":"192.0.2.7"}},"metadata":{{"number":{number}}}}}"#
            )
        };
        for first in (0..count).step_by(1_000) {
            let posts = (first..count.min(first + 1_000)).map(post).collect();
            self.append(partition, posts).await;
        }
    }

    /// Entries of 100 kB each.
    pub(crate) async fn fill_large(&self, partition: &str, count: usize) {
        let post = |number: usize| {
            let text = format!("{number:010}").repeat(10_000);
            format!(
                r#"{{"partition":"{partition}","action":"page.kept","metadata":{{"text":"{text}"}}}}"#
            )
        };
        for first in (0..count).step_by(20) {
            let posts = (first..count.min(first + 20)).map(post).collect();
            self.append(partition, posts).await;
        }
    }

    pub(crate) async fn ask(&self, request: Request) -> Job {
        self.try_ask(Uuid::now_v7(), request).await.unwrap()
    }

    pub(crate) async fn try_ask(&self, id: Uuid, request: Request) -> Result<Job, jobs::Error> {
        let made = self.try_make(&self.tenant, id, request).await?;
        self.recorded(made).await
    }

    pub(crate) async fn ask_as(&self, tenant: &Tenant, request: Request) -> Job {
        let made = self.try_make(tenant, Uuid::now_v7(), request).await;
        self.recorded(made.unwrap()).await.unwrap()
    }

    /// A job that no record is there of yet.
    pub(crate) async fn try_make(
        &self,
        tenant: &Tenant,
        id: Uuid,
        request: Request,
    ) -> Result<Job, jobs::Error> {
        let stretches = export::stretches(&self.ledger, tenant, &request, |_| true);
        let asked = Asked {
            id,
            by: "user:tests".to_owned(),
            record: Uuid::now_v7(),
            stretches: stretches.await.unwrap(),
            request,
        };
        match self.jobs.create(tenant, &asked, MOST).await? {
            Created::New(job) | Created::There(job) => Ok(*job),
        }
    }

    async fn recorded(&self, job: Job) -> Result<Job, jobs::Error> {
        match job.unrecorded {
            Some(record) => self.jobs.recorded(job.tenant.id, job.id, record).await,
            None => Ok(job),
        }
    }

    pub(crate) async fn job(&self, id: Uuid) -> Job {
        self.jobs.get(self.tenant.id, id).await.unwrap().unwrap()
    }

    /// Asks, works, and gives the finished job with its file.
    pub(crate) async fn export(&self, request: Request) -> (Job, Vec<u8>) {
        let asked = self.ask(request).await;
        self.worker().catch_up().await.unwrap();
        let job = self.job(asked.id).await;
        assert_eq!(job.state, jobs::State::Finished, "{job:?}");
        let file = self.file(&job).await;
        (job, file)
    }

    pub(crate) async fn file(&self, job: &Job) -> Vec<u8> {
        let object = self.store.read(&job.key(), None).await.unwrap();
        let chunks: Vec<_> = object.body.try_collect().await.unwrap();
        chunks.concat()
    }

    /// As the superuser, past the triggers.
    pub(crate) async fn sql(&self, statements: &str) {
        let mut connection = PgConnection::connect(self.url.as_str()).await.unwrap();
        let statements = format!("set session_replication_role = replica; {statements}");
        let statements = sqlx::raw_sql(AssertSqlSafe(statements));
        statements.execute(&mut connection).await.unwrap();
    }

    /// As if every worker had been silent for longer than its lease.
    pub(crate) async fn lapse(&self) {
        self.sql("update export.jobs set leased_until = '-infinity' where state = 'running'")
            .await;
    }

    /// As if no job had to wait for its next attempt.
    pub(crate) async fn hurry(&self) {
        self.sql("update export.jobs set due_at = '-infinity' where state = 'queued'")
            .await;
    }

    /// From now on the store, in which nothing is, refuses every object.
    pub(crate) async fn refuse(&self) {
        if let Some((client, bucket)) = &self.bucket {
            client.delete_bucket().bucket(bucket).send().await.unwrap();
        } else {
            std::fs::write(self.obstacle(), "not a folder").unwrap();
        }
    }

    /// It takes them again.
    pub(crate) async fn accept(&self) {
        if let Some((client, bucket)) = &self.bucket {
            client.create_bucket().bucket(bucket).send().await.unwrap();
        } else {
            std::fs::remove_file(self.obstacle()).unwrap();
        }
    }

    /// Where the folder of all exports would be.
    fn obstacle(&self) -> PathBuf {
        self.folder.join(jobs::PREFIX.trim_end_matches('/'))
    }

    /// Everything that is in the store.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let objects = self.store.list("", None, 1_000).await.unwrap();
        objects.into_iter().map(|object| object.key).collect()
    }

    /// Uploads to S3 that were begun and are neither finished nor given up.
    pub(crate) async fn uploads(&self) -> usize {
        let (client, bucket) = self.bucket.as_ref().unwrap();
        let listed = client.list_multipart_uploads().bucket(bucket).send().await;
        listed.unwrap().uploads().len()
    }

    /// Every job goes, and with them everything in the store.
    pub(crate) async fn end(self) {
        let worker = self.worker();
        for job in self.jobs.list(self.tenant.id, None, 1_000).await.unwrap() {
            self.jobs.cancel(self.tenant.id, job.id).await.unwrap();
        }
        worker.clean_up().await.unwrap();
        worker.sweep(Duration::ZERO).await.unwrap();
        assert_eq!(self.keys().await, Vec::<String>::new());
        worker.close().await;
        self.jobs.close().await;
        self.ledger.stop().await;
        if let Some((client, bucket)) = &self.bucket {
            client.delete_bucket().bucket(bucket).send().await.unwrap();
        } else {
            std::fs::remove_dir_all(&self.folder).unwrap();
        }
        let mut server = self.url.clone();
        server.set_path("postgres");
        let mut admin = PgConnection::connect(server.as_str()).await.unwrap();
        let drop = format!("drop database {} with (force)", self.name);
        admin.execute(AssertSqlSafe(drop)).await.unwrap();
    }
}

async fn client(endpoint: &str) -> Client {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .load()
        .await;
    let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
    Client::from_conf(config.build())
}
