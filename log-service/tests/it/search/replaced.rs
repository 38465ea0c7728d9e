//! An index that an empty one is put in the place of while it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ledger::follow::{Config, Cursor, Followed};
use query::Document;
use search::{
    Ask, Error, Hit, Placement, Rebuild, Refused, Search, Stats, StatsAsk, VISIBLE, Which,
};
use secrecy::SecretString;
use uuid::Uuid;

use super::index;
use crate::world::World;

/// The new one is empty, and so are the cursors that go with it.
#[derive(Debug)]
pub(super) struct Replaced {
    database: SecretString,
    asked: AtomicUsize,
}

impl Replaced {
    pub(super) fn new(world: &World) -> Arc<Self> {
        Arc::new(Self {
            database: SecretString::from(world.database.url.as_str()),
            asked: AtomicUsize::new(0),
        })
    }

    /// How often it was.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// An index that has the first entries of a chain.
    pub(super) async fn put(&self, tenant: Uuid, partition: &str, next: u64) {
        let cursor = index::at(tenant, partition, next);
        self.set_cursors(tenant, &[cursor]).await;
    }

    async fn set_cursors(&self, tenant: Uuid, cursors: &[Cursor]) {
        let followed = Followed::new(Config::new(self.database.clone())).unwrap();
        let held = followed.hold(&[VISIBLE], tenant, &[], Duration::ZERO).await;
        let set = followed.release(&held.unwrap(), cursors, &[]).await;
        assert!(set.unwrap());
        followed.stop().await;
    }

    async fn replace(&self, tenant: Uuid) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.set_cursors(tenant, &[]).await;
    }
}

#[async_trait]
impl Search for Replaced {
    async fn find(&self, tenant: Uuid, _: &Ask<'_>) -> Result<Vec<Hit>, Error> {
        self.replace(tenant).await;
        Ok(Vec::new())
    }

    async fn stats(&self, tenant: Uuid, _: &StatsAsk<'_>) -> Result<Stats, Error> {
        self.replace(tenant).await;
        Ok(Stats::default())
    }

    async fn create(&self, _: Uuid, _: Placement) -> Result<(), Error> {
        unreachable!("log-service makes no index")
    }

    async fn write(&self, _: Uuid, _: Which, _: &[Document]) -> Result<Vec<Refused>, Error> {
        unreachable!("log-service writes to no index")
    }

    async fn refresh(&self, _: Uuid) -> Result<(), Error> {
        unreachable!("log-service refreshes no index")
    }

    async fn begin_rebuild(&self, _: Uuid, _: Placement) -> Result<Rebuild, Error> {
        unreachable!("log-service rebuilds no index")
    }

    async fn finish_rebuild(&self, _: Uuid, _: Rebuild) -> Result<(), Error> {
        unreachable!("log-service rebuilds no index")
    }

    async fn drop_tenant(&self, _: Uuid) -> Result<(), Error> {
        unreachable!("log-service deletes no index")
    }

    fn form(&self) -> u32 {
        search::FORM
    }

    async fn ready(&self) -> Result<(), Error> {
        Ok(())
    }
}
