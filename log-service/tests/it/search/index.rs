//! An index of one story, written as a worker would, but only as far as the story says.

use std::path::PathBuf;
use std::sync::Arc;

use chain::Timestamp;
use ledger::follow::{Config, Cursor, Followed};
use ledger::{Limit, Order, Range, Tenant};
use query::Document;
use search::{FORM, Placement, Search, Settings, VISIBLE, Which};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use crate::world::{ORIGIN, World};

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    OpenSearch,
    Embedded,
}

pub(crate) struct Indexed {
    search: Arc<dyn Search>,
    prefix: String,
    directory: Option<PathBuf>,
    tenants: std::sync::Mutex<Vec<Uuid>>,
}

impl Indexed {
    pub(crate) async fn open(kind: Kind) -> Self {
        let name = format!("log-{}", Uuid::now_v7().simple());
        let mut directory = None;
        let url = match kind {
            Kind::OpenSearch => opensearch_url(),
            Kind::Embedded => {
                let path = std::env::temp_dir().join(format!("veritrail-{name}"));
                let url = url::Url::from_file_path(&path).unwrap();
                directory = Some(path);
                url
            }
        };
        let mut settings = Settings::of(url);
        settings.prefix.clone_from(&name);
        Self {
            search: search::open(settings).await.unwrap(),
            prefix: name,
            directory,
            tenants: std::sync::Mutex::default(),
        }
    }

    pub(crate) fn search(&self) -> Arc<dyn Search> {
        Arc::clone(&self.search)
    }

    /// Indexes entries `..end` of a chain, and says so.
    pub(super) async fn index(&self, world: &World, tenant: Uuid, partition: &str, end: u64) {
        self.create(tenant).await;
        let ledger = ledger(world).await;
        let range = Range {
            generation: Some(1),
            from: 0,
            to: end,
            order: Order::Ascending,
            limit: Limit {
                rows: 10_000,
                bytes: 64 << 20,
            },
        };
        let code = "code".to_owned();
        let entries = ledger
            .range(&Tenant { id: tenant, code }, partition, range)
            .await
            .unwrap();
        assert_eq!(entries.len() as u64, end);
        let documents: Vec<_> = entries.iter().map(|e| Document::of(e).unwrap()).collect();
        self.write(tenant, &documents).await;
        ledger.stop().await;
        cursor(world, tenant, partition, end).await;
    }

    /// Something that no worker would write.
    pub(super) async fn forge(
        &self,
        world: &World,
        tenant: Uuid,
        partition: &str,
        seq: u64,
        words: &str,
    ) {
        let mut connection = world.superuser().await;
        let time: Option<i64> = sqlx::query_scalar(
            "select (extract(epoch from received_at) * 1000000)::int8 from ledger.entries
              where tenant = $1 and partition = $2 and seq = $3",
        )
        .bind(tenant)
        .bind(partition)
        .bind(i64::try_from(seq).unwrap())
        .fetch_optional(&mut connection)
        .await
        .unwrap();
        let forged = Document {
            partition: partition.to_owned(),
            generation: 1,
            seq,
            received_at: Timestamp::from_micros(time.unwrap_or(1_700_000_000_000_000)).unwrap(),
            version: 9,
            keywords: Vec::new(),
            words: vec![words.to_owned()],
            personal_words: Vec::new(),
        };
        self.write(tenant, &[forged]).await;
    }

    pub(super) async fn cursor(&self, world: &World, tenant: Uuid, partition: &str, next: u64) {
        cursor(world, tenant, partition, next).await;
    }

    /// Makes a tenant's index whose shard is on no node: nothing can be asked of it.
    pub(super) async fn create_red(&self, tenant: Uuid) {
        self.tenants.lock().unwrap().push(tenant);
        let alias = format!("{}-{FORM}-{}", self.prefix, tenant.simple());
        let path = format!("{alias}-1?wait_for_active_shards=0");
        let body = json!({
            "settings": {"index.routing.allocation.require._name": "nobody"},
            "aliases": {alias: {"is_write_index": true}},
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let made = client
            .put(opensearch_url().join(&path).unwrap())
            .json(&body);
        let made = made.send().await.unwrap();
        assert!(made.status().is_success(), "{made:?}");
    }

    async fn create(&self, tenant: Uuid) {
        self.tenants.lock().unwrap().push(tenant);
        self.search.create(tenant, Placement::Own).await.unwrap();
    }

    async fn write(&self, tenant: Uuid, documents: &[Document]) {
        let refused = self.search.write(tenant, Which::Current, documents).await;
        assert_eq!(refused.unwrap(), []);
        self.search.refresh(tenant).await.unwrap();
    }

    pub(crate) async fn end(self) {
        let tenants = std::mem::take(&mut *self.tenants.lock().unwrap());
        for tenant in tenants {
            self.search.drop_tenant(tenant).await.unwrap();
        }
        if let Some(directory) = &self.directory {
            std::fs::remove_dir_all(directory).unwrap();
        }
    }
}

fn opensearch_url() -> url::Url {
    #[expect(
        clippy::disallowed_methods,
        reason = "where the tests' server is, only they know"
    )]
    let url = std::env::var("OPENSEARCH_URL").expect("OPENSEARCH_URL names an OpenSearch");
    url.parse().unwrap()
}

async fn ledger(world: &World) -> ledger::Ledger {
    let url = SecretString::from(world.database.url.as_str());
    let mut config = ledger::Config::new(url, ORIGIN.to_owned());
    config.allow_unsafe_server = true;
    ledger::Ledger::start(config).await.unwrap()
}

pub(super) fn at(tenant: Uuid, partition: &str, next: u64) -> Cursor {
    Cursor {
        tenant,
        partition: partition.to_owned(),
        generation: 1,
        next,
        received_at: Timestamp::FIRST,
    }
}

/// What searches find ends before this entry.
pub(super) async fn cursor(world: &World, tenant: Uuid, partition: &str, next: u64) {
    let followed = Followed::new(Config::new(SecretString::from(world.database.url.as_str())));
    let followed = followed.unwrap();
    let cursor = at(tenant, partition, next);
    followed.advance(VISIBLE, &[(cursor, 0)]).await.unwrap();
    followed.stop().await;
}

/// At an address where nothing listens.
pub(crate) async fn down() -> Arc<dyn Search> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = Settings::of(url.parse().unwrap());
    search::open(settings).await.unwrap()
}
