//! The index in an OpenSearch (2.19 or later, also Amazon's): an index for each tenant behind an alias, or a share
//! of an index behind a filtered alias. Everything goes through these aliases.

mod ask;
mod bulk;
mod count;
mod credentials;
mod health;
mod http;
mod mapping;
mod place;
mod refresh;
pub mod wire;

use std::collections::BTreeSet;

use async_trait::async_trait;
use query::Document;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use self::http::{Http, PATIENT};
use self::place::{Names, Place};
use crate::{
    Ask, Error, Hit, Placement, Rebuild, Refused, Search, Settings, Stats, StatsAsk, Which,
};

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

    /// Throws away what rebuilds left behind, or are still at.
    async fn leave_next(&self, tenant: Uuid) -> Result<(), Error> {
        let alias = self.names.next(tenant);
        let left = place::all(&self.http, &alias).await?;
        for place in &left {
            place::seal(&self.http, &self.names, place).await?;
        }
        // One of them may have become the current one before that, and none can after it.
        let current = self.place(tenant, Which::Current).await?;
        let left = left.iter().filter(|place| Some(*place) != current.as_ref());
        let actions = left.map(|place| place.leave(&alias)).collect();
        match place::switch(&self.http, actions).await {
            // Another one has just thrown it away.
            Err(Error::Missing) => Ok(()),
            left => left,
        }
    }

    /// Deletes all documents of a tenant in the shared index that belong to no current share.
    async fn sweep(&self, tenant: Uuid) -> Result<(), Error> {
        let (index, routing) = (self.names.pool(tenant), tenant.simple().to_string());
        let mut sealed = BTreeSet::new();
        let mut current = self.place(tenant, Which::Current).await?;
        loop {
            let kept = current.as_ref().and_then(|place| place.share.as_deref());
            let ids = self.others(tenant, kept).await?;
            if ids.is_empty() {
                return Ok(());
            }
            let shares: BTreeSet<_> = ids.iter().map(|id| share(id).to_owned()).collect();
            let open: Vec<_> = shares.difference(&sealed).cloned().collect();
            if open.is_empty() {
                bulk::delete(&self.http, &index, &routing, &ids).await?;
                continue;
            }
            for share in open {
                let place = self.names.share(tenant, &share);
                place::seal(&self.http, &self.names, &place).await?;
                sealed.insert(share);
            }
            // As above: what is not the current one now will never be.
            current = self.place(tenant, Which::Current).await?;
        }
    }

    /// Ids of some documents of a tenant in the shared index that are not of this share.
    async fn others(&self, tenant: Uuid, kept: Option<&str>) -> Result<Vec<String>, Error> {
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
        let (index, tenant) = (self.names.pool(tenant), tenant.simple());
        let kept: Vec<_> = kept.into_iter().collect();
        let body = json!({
            "query": {"bool": {
                "filter": [{"prefix": {"owner": format!("{tenant}-")}}],
                "must_not": [{"terms": {"owner": kept}}],
            }},
            "size": DELETED_AT_ONCE, "_source": false, "track_total_hits": false,
        });
        match refresh::refresh(&self.http, &index).await {
            Err(Error::Missing) => return Ok(Vec::new()),
            refreshed => refreshed?,
        }
        let path = ask::search(&index, "hits.hits._id");
        let path = format!("{path}&routing={tenant}");
        let found: Found = self.http.post(&path, &body, PATIENT).await?.read()?;
        Ok(found.hits.hits.into_iter().map(|hit| hit.id).collect())
    }

    /// Puts what the rebuild has filled in the place of the current index, which it gives. Missing where it is not there
    /// any more, or is the current one already.
    async fn switch(&self, tenant: Uuid, rebuild: Rebuild) -> Result<Option<Place>, Error> {
        let filled = self.names.alias(tenant, Which::Next(rebuild));
        let next = self.place(tenant, Which::Next(rebuild)).await?;
        let next = next.ok_or(Error::Missing)?;
        refresh::refresh(&self.http, &filled).await?;
        // Two that began at the same moment may both be here, where they share an index: the one whose place this alias
        // leads to goes on.
        let alias = self.names.next(tenant);
        if !place::all(&self.http, &alias).await?.contains(&next) {
            return Err(Error::Missing);
        }
        let to = self.names.alias(tenant, Which::Current);
        let current = self.place(tenant, Which::Current).await?;
        let mut actions: Vec<_> = current.iter().map(|place| place.leave(&to)).collect();
        let index = &next.index;
        // All fails where a later rebuild has taken this alias away.
        actions.push(json!({"remove": {"index": index, "alias": filled, "must_exist": true}}));
        actions.push(json!({"remove": {"index": index, "alias": alias}}));
        if next.share.is_some() {
            let first = self.names.place(tenant, Placement::Pooled, FIRST);
            let token = self.names.filled(&first);
            actions.push(json!({"remove": {"index": index, "alias": token}}));
        }
        actions.push(next.enter(tenant, &to));
        place::switch(&self.http, actions).await?;
        Ok(current)
    }

    /// Makes the first share of a tenant. The server lets an alias be led elsewhere within an index, also by a request
    /// that comes when a rebuild is done: so this one goes through only while an alias is there that every switch takes
    /// away.
    async fn create_share(&self, tenant: Uuid, place: &Place) -> Result<(), Error> {
        let token = self.names.filled(place);
        place
            .make(&self.http, &self.names, tenant, &[&token])
            .await?;
        // A switch before the token was there is seen now; one after it takes the token away.
        if self.place(tenant, Which::Current).await?.is_some() {
            return place::seal(&self.http, &self.names, place).await;
        }
        let alias = self.names.alias(tenant, Which::Current);
        let actions = vec![
            json!({"remove": {"index": place.index, "alias": token, "must_exist": true}}),
            place.enter(tenant, &alias),
        ];
        match place::switch(&self.http, actions).await {
            // Another worker was faster, or a rebuild.
            Err(_) if self.place(tenant, Which::Current).await?.is_some() => Ok(()),
            created => created,
        }
    }

    /// Whether the current index is the one that this rebuild made.
    async fn is_current(&self, tenant: Uuid, rebuild: Rebuild) -> Result<bool, Error> {
        let current = self.place(tenant, Which::Current).await?;
        Ok(current.is_some_and(|place| self.names.is_of(tenant, rebuild, &place)))
    }
}

/// Whose a document in a shared index is, by its id.
fn share(id: &str) -> &str {
    id.split('/').next().unwrap_or_default()
}

#[async_trait]
impl Search for OpenSearch {
    async fn create(&self, tenant: Uuid, placement: Placement) -> Result<(), Error> {
        if self.place(tenant, Which::Current).await?.is_some() {
            return Ok(());
        }
        let alias = self.names.alias(tenant, Which::Current);
        let place = self.names.place(tenant, placement, FIRST);
        match place.share {
            // Where another worker made a place of the other kind meanwhile, there is one as well.
            None => {
                let aliases = [&*alias];
                let made = place.make(&self.http, &self.names, tenant, &aliases);
                made.await.map(drop)
            }
            Some(_) => self.create_share(tenant, &place).await,
        }
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
        refresh::refresh(&self.http, &alias).await
    }

    async fn find(&self, tenant: Uuid, ask: &Ask<'_>) -> Result<Vec<Hit>, Error> {
        let alias = self.names.alias(tenant, Which::Current);
        ask::find(&self.http, &alias, ask).await
    }

    async fn stats(&self, tenant: Uuid, ask: &StatsAsk<'_>) -> Result<Stats, Error> {
        let alias = self.names.alias(tenant, Which::Current);
        count::stats(&self.http, &alias, ask).await
    }

    async fn begin_rebuild(&self, tenant: Uuid, placement: Placement) -> Result<Rebuild, Error> {
        let rebuild = Rebuild(Uuid::now_v7());
        let next = self.names.place(tenant, placement, &rebuild.number());
        let alias = self.names.next(tenant);
        let filled = self.names.alias(tenant, Which::Next(rebuild));
        for _ in 0..TRIES {
            self.leave_next(tenant).await?;
            self.sweep(tenant).await?;
            // A rebuild that was killed may have made its index only now: the server goes on with a
            // request whose sender is gone.
            let aliases = [&*alias, &*filled];
            let made = next.make(&self.http, &self.names, tenant, &aliases);
            if made.await? {
                return Ok(rebuild);
            }
        }
        let busy = anyhow::anyhow!("{alias} is led elsewhere again and again");
        Err(Error::Unavailable(busy))
    }

    async fn finish_rebuild(&self, tenant: Uuid, rebuild: Rebuild) -> Result<(), Error> {
        let left_a_share = match self.switch(tenant, rebuild).await {
            // By an earlier try, of which nobody heard; nor of what it left.
            Err(Error::Missing) if self.is_current(tenant, rebuild).await? => true,
            switched => switched?.is_some_and(|place| place.share.is_some()),
        };
        // A stop before this leaves documents that no alias reaches, until the next rebuild.
        if left_a_share {
            self.sweep(tenant).await?;
        }
        Ok(())
    }

    async fn drop_tenant(&self, tenant: Uuid) -> Result<(), Error> {
        self.leave_next(tenant).await?;
        let first = self.names.place(tenant, Placement::Pooled, FIRST);
        place::seal(&self.http, &self.names, &first).await?;
        let alias = self.names.alias(tenant, Which::Current);
        let left = place::all(&self.http, &alias).await?;
        let actions = left.iter().map(|place| place.leave(&alias)).collect();
        place::switch(&self.http, actions).await?;
        self.sweep(tenant).await
    }

    fn form(&self) -> u32 {
        self.names.form()
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
