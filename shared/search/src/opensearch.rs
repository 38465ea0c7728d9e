//! The index in an OpenSearch (2.x, also Amazon's): an index for each tenant behind an alias, or a share
//! of an index behind a filtered alias. Everything goes through these aliases.

mod ask;
mod bulk;
mod count;
mod credentials;
mod health;
mod http;
mod mapping;
mod place;
pub mod wire;

use async_trait::async_trait;
use query::Document;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use self::http::{Http, PATIENT};
use self::place::{Names, Place};
use crate::{Ask, Error, Hit, Placement, Refused, Search, Settings, Stats, StatsAsk, Which};

/// Documents that are deleted with one request.
const DELETED_AT_ONCE: usize = 1_000;
/// The number of a tenant's first index: the same for all who make it at once.
const FIRST: &str = "1";
/// How often the next index is made, while what rebuilds left behind comes in between.
const TRIES: usize = 5;

#[derive(Debug)]
pub(crate) struct OpenSearch {
    http: Http,
    names: Names,
}

impl OpenSearch {
    pub(crate) async fn open(settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            http: Http::new(settings).await?,
            names: Names::new(settings),
        })
    }

    async fn place(&self, tenant: Uuid, which: Which) -> Result<Option<Place>, Error> {
        place::find(&self.http, &self.names.alias(tenant, which)).await
    }

    /// Throws away wherever the alias leads.
    async fn leave_all(&self, alias: &str) -> Result<(), Error> {
        let left = place::all(&self.http, alias).await?;
        let actions = left.iter().map(|place| place.leave(alias)).collect();
        place::switch(&self.http, actions).await
    }

    /// Deletes all documents of a tenant in the shared index that belong to none of these shares.
    async fn sweep(&self, tenant: Uuid, kept: &[&Place]) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(default)]
            hits: Hits,
        }
        #[derive(Default, Deserialize)]
        struct Hits {
            #[serde(default)]
            hits: Vec<Document>,
        }
        #[derive(Deserialize)]
        struct Document {
            #[serde(rename = "_id")]
            id: String,
        }
        let (index, tenant) = (self.names.pool(tenant), tenant.simple().to_string());
        let kept: Vec<_> = kept
            .iter()
            .filter_map(|place| place.share.as_ref())
            .collect();
        let body = json!({
            "query": {"bool": {
                "filter": [{"prefix": {"owner": format!("{tenant}-")}}],
                "must_not": [{"terms": {"owner": kept}}],
            }},
            "size": DELETED_AT_ONCE, "_source": false, "track_total_hits": false,
        });
        loop {
            let refresh = format!("{index}/_refresh");
            let refreshed = self.http.post(&refresh, &json!({}), PATIENT).await?;
            if refreshed.status == 404 {
                return Ok(());
            }
            refreshed.ok()?;
            let path = format!("{index}/_search?routing={tenant}&filter_path=hits.hits._id");
            let found: Found = self.http.post(&path, &body, PATIENT).await?.read()?;
            if found.hits.hits.is_empty() {
                return Ok(());
            }
            let ids: Vec<_> = found.hits.hits.into_iter().map(|hit| hit.id).collect();
            bulk::delete(&self.http, &index, &tenant, &ids).await?;
        }
    }
}

#[async_trait]
impl Search for OpenSearch {
    async fn create(&self, tenant: Uuid, placement: Placement) -> Result<(), Error> {
        if self.place(tenant, Which::Current).await?.is_some() {
            return Ok(());
        }
        let alias = self.names.alias(tenant, Which::Current);
        let place = self.names.place(tenant, placement, FIRST);
        // Where another worker made a place of the other kind meanwhile, there is one as well.
        place.make(&self.http, tenant, &alias).await.map(drop)
    }

    async fn write(
        &self,
        tenant: Uuid,
        which: Which,
        documents: &[Document],
    ) -> Result<Vec<Refused>, Error> {
        let alias = self.names.alias(tenant, which);
        let place = self.place(tenant, which).await?.ok_or(Error::Missing)?;
        bulk::write(&self.http, &alias, &place, documents).await
    }

    async fn refresh(&self, tenant: Uuid) -> Result<(), Error> {
        let alias = self.names.alias(tenant, Which::Current);
        let path = format!("{alias}/_refresh");
        self.http.post(&path, &json!({}), PATIENT).await?.ok()
    }

    async fn find(&self, tenant: Uuid, ask: &Ask<'_>) -> Result<Vec<Hit>, Error> {
        let alias = self.names.alias(tenant, Which::Current);
        ask::find(&self.http, &alias, ask).await
    }

    async fn stats(&self, tenant: Uuid, ask: &StatsAsk<'_>) -> Result<Stats, Error> {
        let alias = self.names.alias(tenant, Which::Current);
        count::stats(&self.http, &alias, ask).await
    }

    async fn begin_rebuild(&self, tenant: Uuid, placement: Placement) -> Result<(), Error> {
        let alias = self.names.alias(tenant, Which::Next);
        let number = Uuid::now_v7().simple().to_string();
        let next = self.names.place(tenant, placement, &number);
        for _ in 0..TRIES {
            self.leave_all(&alias).await?;
            let current = self.place(tenant, Which::Current).await?;
            self.sweep(tenant, current.as_ref().as_slice()).await?;
            // A rebuild that was killed may have made its index only now: the server goes on with a
            // request whose sender is gone.
            if next.make(&self.http, tenant, &alias).await? {
                return Ok(());
            }
        }
        let busy = anyhow::anyhow!("{alias} is led elsewhere again and again");
        Err(Error::Unavailable(busy))
    }

    async fn finish_rebuild(&self, tenant: Uuid) -> Result<(), Error> {
        let Some(next) = self.place(tenant, Which::Next).await? else {
            return Ok(());
        };
        let (from, to) = (
            self.names.alias(tenant, Which::Next),
            self.names.alias(tenant, Which::Current),
        );
        let refresh = format!("{from}/_refresh");
        let refreshed = self.http.post(&refresh, &json!({}), PATIENT).await?;
        refreshed.ok()?;
        let current = self.place(tenant, Which::Current).await?;
        let mut actions: Vec<_> = current.iter().map(|place| place.leave(&to)).collect();
        actions.push(json!({"remove": {"index": next.index, "alias": from}}));
        actions.push(next.enter(tenant, &to));
        place::switch(&self.http, actions).await?;
        // A stop before this leaves documents that no alias reaches, until the next rebuild.
        if current.is_some_and(|place| place.share.is_some()) {
            self.sweep(tenant, &[&next]).await?;
        }
        Ok(())
    }

    async fn drop_tenant(&self, tenant: Uuid) -> Result<(), Error> {
        for which in [Which::Current, Which::Next] {
            self.leave_all(&self.names.alias(tenant, which)).await?;
        }
        self.sweep(tenant, &[]).await
    }

    async fn ready(&self) -> Result<(), Error> {
        health::status(&self.http).await.map(drop)
    }

    async fn ready_for_all(&self) -> Result<(), Error> {
        if health::status(&self.http).await? == health::RED {
            let red = anyhow::anyhow!("the cluster is red: a shard of an index is on no node");
            return Err(Error::Unavailable(red));
        }
        Ok(())
    }
}
