//! Connections on which the rows of one tenant are seen, and no others.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Postgres, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Times, Window};
use crate::rows::to_time;
use crate::{Error, Ledger, Tenant};

/// One tenant's rows, statement by statement: each sees what is committed when it begins. It has one of the
/// readers' connections until it is dropped, so nobody keeps it longer than for a few short statements.
#[derive(Debug)]
pub struct View {
    pub(super) transaction: Transaction<'static, Postgres>,
    pub(super) tenant: Tenant,
    pub(super) origin: String,
    _ahead: Option<OwnedSemaphorePermit>,
}

/// Begins a transaction in which the views show this tenant. The id is formatted from a UUID, so it
/// needs no quoting.
///
/// In a task of its own: a `begin` that is dropped before its reply, by a client that gave up, would
/// leave its connection inside the transaction and with the tenant set, and put it back like that.
/// The task goes on to the reply, and dropping what it then holds rolls back.
///
/// Readers drop the transaction when they have their rows: nothing is to be committed, and the rollback
/// goes out while the answer is on its way.
pub(super) async fn begin(
    ledger: &Ledger,
    tenant: &Tenant,
) -> Result<Transaction<'static, Postgres>, Error> {
    let statement = format!("begin read only; set local ledger.tenant = '{}'", tenant.id);
    let readers = ledger.shared.readers.clone();
    let begin = async move { readers.begin_with(AssertSqlSafe(statement)).await };
    match tokio::spawn(begin).await {
        Ok(begun) => begun.map_err(Error::from_sqlx),
        Err(_) => Err(Error::Unavailable(sqlx::Error::WorkerCrashed)),
    }
}

/// How many views may wait for somebody else.
pub(crate) fn ahead(readers: u32) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((readers / 2) as usize))
}

impl Ledger {
    /// For statements that follow each other at once.
    pub async fn view(&self, tenant: &Tenant) -> Result<View, Error> {
        self.view_with(tenant, None).await
    }

    /// For statements that follow when somebody else has answered, in seconds at most: the connection is ready by
    /// then. `None`: half of the readers' connections wait like that already, and the others are for those who
    /// know what they want.
    pub async fn view_ahead(&self, tenant: &Tenant) -> Result<Option<View>, Error> {
        let ahead = Arc::clone(&self.shared.ahead);
        let Ok(permit) = ahead.try_acquire_owned() else {
            return Ok(None);
        };
        self.view_with(tenant, Some(permit)).await.map(Some)
    }

    async fn view_with(
        &self,
        tenant: &Tenant,
        ahead: Option<OwnedSemaphorePermit>,
    ) -> Result<View, Error> {
        Ok(View {
            transaction: begin(self, tenant).await?,
            tenant: tenant.clone(),
            origin: self.shared.origin.clone(),
            _ahead: ahead,
        })
    }

    /// See [`View::windows`].
    pub async fn windows(
        &self,
        tenant: &Tenant,
        partitions: &[String],
        times: Times,
    ) -> Result<Vec<Window>, Error> {
        self.view(tenant).await?.windows(partitions, times).await
    }
}

impl View {
    /// The parts of the named chains (all of them when `partitions` is empty) that were received in
    /// `times`, up to the heads of this moment: the fixed bounds of a listing over several pages.
    /// Windows may be empty.
    pub async fn windows(
        &mut self,
        partitions: &[String],
        times: Times,
    ) -> Result<Vec<Window>, Error> {
        let (from, to) = (times.from.map(to_time), times.to.map(to_time));
        let rows = sqlx::query_file!("src/read/windows.sql", self.tenant.id, partitions, from, to)
            .fetch_all(&mut *self.transaction)
            .await
            .map_err(Error::from_sqlx)?;
        let windows = rows.into_iter().map(|row| Window {
            partition: row.partition,
            generation: row.generation.cast_unsigned(),
            from: row.first.cast_unsigned(),
            to: row.beyond.cast_unsigned(),
        });
        Ok(windows.collect())
    }
}
