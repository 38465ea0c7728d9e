//! An index of one test: prefix or directory of its own, removed at the end.

use std::path::PathBuf;
use std::sync::Arc;

use chain::Mask;
use query::{Document, Filter, Order};
use search::{
    Ask, FORM, Hit, Placement, Rebuild, Search, Settings, Stats, StatsAsk, Which, Window,
};
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    OpenSearch,
    Pooled,
    Embedded,
}

pub(crate) struct World {
    pub(crate) search: Arc<dyn Search>,
    pub(crate) settings: Settings,
    pub(crate) placement: Placement,
    directory: Option<PathBuf>,
    tenants: std::sync::Mutex<Vec<Uuid>>,
}

pub(crate) fn variable(name: &str) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "where the tests' server is, only they know"
    )]
    let value = std::env::var(name);
    value.unwrap_or_else(|_| panic!("{name} is set"))
}

pub(crate) fn opensearch_url() -> url::Url {
    variable("OPENSEARCH_URL").parse().unwrap()
}

impl World {
    pub(crate) async fn open(kind: Kind) -> Self {
        let name = format!("test-{}", Uuid::now_v7().simple());
        let mut directory = None;
        let mut settings = if kind == Kind::Embedded {
            let path = std::env::temp_dir().join(format!("veritrail-{name}"));
            let url = url::Url::from_file_path(&path).unwrap();
            directory = Some(path);
            Settings::of(url)
        } else {
            Settings::of(opensearch_url())
        };
        settings.prefix = name;
        settings.pools = 1;
        Self {
            search: search::open(settings.clone()).await.unwrap(),
            settings,
            placement: match kind {
                Kind::Pooled => Placement::Pooled,
                Kind::OpenSearch | Kind::Embedded => Placement::Own,
            },
            directory,
            tenants: std::sync::Mutex::default(),
        }
    }

    /// Opens it again, as another process would. (The embedded one after the first is closed.)
    pub(crate) async fn reopen(&mut self) {
        let other = search::open(self.settings.clone()).await.unwrap();
        self.search = other;
    }

    pub(crate) fn directory(&self) -> Option<&PathBuf> {
        self.directory.as_ref()
    }

    /// The name of a tenant's first index, or of that which has his share.
    pub(crate) fn index_of(&self, tenant: Uuid) -> String {
        match self.placement {
            Placement::Own => format!("{}-{FORM}-{}-1", self.settings.prefix, tenant.simple()),
            Placement::Pooled => format!("{}-{FORM}-pool-0", self.settings.prefix),
        }
    }

    /// A tenant with an empty index.
    pub(crate) async fn tenant(&self) -> Uuid {
        let tenant = Uuid::now_v7();
        self.tenant_with_id(tenant).await;
        tenant
    }

    pub(crate) fn tenant_without_index(&self) -> Uuid {
        let tenant = Uuid::now_v7();
        self.tenants.lock().unwrap().push(tenant);
        tenant
    }

    pub(crate) async fn tenant_with_id(&self, tenant: Uuid) {
        self.tenants.lock().unwrap().push(tenant);
        self.search.create(tenant, self.placement).await.unwrap();
    }

    /// Writes what nothing is refused of, and makes it found.
    pub(crate) async fn write(&self, tenant: Uuid, documents: &[Document]) {
        let refused = self.search.write(tenant, Which::Current, documents).await;
        assert_eq!(refused.unwrap(), []);
        self.search.refresh(tenant).await.unwrap();
    }

    /// A next index where the current one is.
    pub(crate) async fn begin(&self, tenant: Uuid) -> Rebuild {
        let begun = self.search.begin_rebuild(tenant, self.placement).await;
        begun.unwrap()
    }

    pub(crate) async fn end(self) {
        let tenants = std::mem::take(&mut *self.tenants.lock().unwrap());
        for tenant in tenants {
            self.search.drop_tenant(tenant).await.unwrap();
        }
        if let Some(directory) = &self.directory {
            std::fs::remove_dir_all(directory).unwrap();
        } else if self.placement == Placement::Pooled {
            let url = opensearch_url();
            let pool = format!("{}-{FORM}-pool-0", self.settings.prefix);
            crate::opensearch::delete(&url, &pool).await;
        }
    }
}

/// A question, all of whose parts but the filter can be left out.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) filter: Filter,
    pub(crate) windows: Vec<Window>,
    pub(crate) mask: Mask,
    pub(crate) order: Order,
    pub(crate) limit: usize,
    pub(crate) after: Option<Hit>,
}

impl Asked {
    pub(crate) fn all(query: &str, partitions: &[&str]) -> Self {
        let window = |partition: &&str| Window {
            partition: (*partition).to_owned(),
            generation: 1,
            from: 0,
            to: 1 << 53,
        };
        Self {
            filter: filter(query),
            windows: partitions.iter().map(window).collect(),
            mask: Mask::Nothing,
            order: Order::Ascending,
            limit: 1000,
            after: None,
        }
    }

    pub(crate) async fn find(&self, world: &World, tenant: Uuid) -> Vec<Hit> {
        self.try_find(world, tenant).await.unwrap()
    }

    pub(crate) async fn try_find(
        &self,
        world: &World,
        tenant: Uuid,
    ) -> Result<Vec<Hit>, search::Error> {
        let ask = Ask {
            filter: &self.filter,
            windows: &self.windows,
            mask: self.mask,
            order: self.order,
            limit: self.limit,
            after: self.after.clone(),
        };
        world.search.find(tenant, &ask).await
    }

    /// Seqs alone, for tests of one chain.
    pub(crate) async fn seqs(&self, world: &World, tenant: Uuid) -> Vec<u64> {
        let hits = self.find(world, tenant).await;
        hits.into_iter().map(|hit| hit.seq).collect()
    }

    pub(crate) async fn stats(
        &self,
        world: &World,
        tenant: Uuid,
        top: usize,
        histogram: Option<search::Histogram>,
    ) -> Result<Stats, search::Error> {
        let ask = StatsAsk {
            filter: &self.filter,
            windows: &self.windows,
            mask: self.mask,
            top,
            histogram,
        };
        world.search.stats(tenant, &ask).await
    }
}

pub(crate) fn filter(query: &str) -> Filter {
    Filter::parse(query, &[]).unwrap().0
}
