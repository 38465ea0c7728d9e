//! What log-service does with jobs: makes them, looks at them, cancels them. Always of one tenant.

use ledger::Tenant;
use sqlx::postgres::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::row::Row;
use super::{Error, Job, Jobs};
use crate::{Request, Stretch};

/// A job to be made.
#[derive(Clone, Debug)]
pub struct Asked {
    pub id: Uuid,
    /// The principal, `type:id`.
    pub by: String,
    /// The id that its record on the trail will have; nobody else may know it.
    pub record: Uuid,
    pub request: Request,
    pub stretches: Vec<Stretch>,
}

/// What asking came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Created {
    New(Box<Job>),
    /// The id was taken by this job, which may be about something else.
    There(Box<Job>),
}

impl Jobs {
    /// Makes a job unless its id is taken within the tenant, or `most` of its jobs are open
    /// ([`Error::TooMany`]). Durable when it returns; repeating changes nothing, and of several at
    /// once exactly one makes it. Nobody works on it before [`Jobs::recorded`].
    pub async fn create(
        &self,
        tenant: &Tenant,
        asked: &Asked,
        most: u32,
    ) -> Result<Created, Error> {
        let mut transaction = self.pool.begin().await?;
        // One at a time within a tenant, so that two replicas do not both find a last place, and
        // each finds what was made before it.
        let lock = i64::from_be_bytes(tenant.id.as_bytes()[8..].try_into().expect("8 bytes"));
        sqlx::query!("select pg_advisory_xact_lock($1)", lock)
            .execute(&mut *transaction)
            .await?;
        if let Some(job) = find(&mut *transaction, tenant.id, asked.id).await? {
            return Ok(Created::There(Box::new(job)));
        }
        let open = sqlx::query_scalar!(
            r#"select count(*) as "count!" from export.jobs
                where tenant = $1 and state in ('queued', 'running')"#,
            tenant.id
        )
        .fetch_one(&mut *transaction)
        .await?;
        if open >= i64::from(most) {
            return Err(Error::TooMany);
        }
        let job = insert(&mut transaction, tenant, asked).await?;
        transaction.commit().await?;
        Ok(Created::New(Box::new(job)))
    }

    /// The job's record is on the trail: workers may take it. The job as it is then; repeating changes
    /// nothing. [`Error::Lost`] when it waited so long that it was removed.
    pub async fn recorded(&self, tenant: Uuid, id: Uuid, record: Uuid) -> Result<Job, Error> {
        sqlx::query!(
            "update export.jobs set unrecorded = null, due_at = clock_timestamp()
              where tenant = $1 and id = $2 and unrecorded = $3",
            tenant,
            id,
            record
        )
        .execute(&self.pool)
        .await?;
        let job = self.get(tenant, id).await?;
        // Another one that was made under this id since waits for a record of its own.
        job.filter(|job| job.unrecorded.is_none())
            .ok_or(Error::Lost)
    }

    /// How many jobs of the tenant are open: to refuse early what [`Jobs::create`] would refuse.
    pub async fn count_open(&self, tenant: Uuid) -> Result<u64, Error> {
        let open = sqlx::query_scalar!(
            r#"select count(*) as "count!" from export.jobs
                where tenant = $1 and state in ('queued', 'running')"#,
            tenant
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(u64::try_from(open).unwrap_or_default())
    }

    pub async fn get(&self, tenant: Uuid, id: Uuid) -> Result<Option<Job>, Error> {
        find(&self.pool, tenant, id).await
    }

    /// The tenant's jobs, newest first, those older than `after`.
    pub async fn list(
        &self,
        tenant: Uuid,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Job>, Error> {
        let rows = sqlx::query_as!(
            Row,
            "select tenant, id, tenant_code, created_at, created_by, request, stretches, total, state, attempt,
                    unrecorded, refused, rows_done, rows_scanned, started_at, ended_at, expires_at, bytes, sha256, hashes, failure
               from export.jobs
              where tenant = $1
                and ($2::uuid is null
                     or (created_at, id) < (select created_at, id from export.jobs where tenant = $1 and id = $2))
              order by created_at desc, id desc
              limit $3",
            tenant,
            after,
            i64::from(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Job::try_from).collect()
    }

    /// Ends an open job as `cancelled`, a finished one as `expired`; one that has ended otherwise
    /// stays as it is. The job as it is then; `None` when the tenant has none of this id. Whoever
    /// works on it notices at its next step, and what is in the store is removed after that.
    pub async fn cancel(&self, tenant: Uuid, id: Uuid) -> Result<Option<Job>, Error> {
        sqlx::query!(
            "update export.jobs
                set state = case state when 'finished' then 'expired' else 'cancelled' end,
                    leased_until = null, ended_at = coalesce(ended_at, clock_timestamp())
              where tenant = $1 and id = $2 and state in ('queued', 'running', 'finished')",
            tenant,
            id
        )
        .execute(&self.pool)
        .await?;
        self.get(tenant, id).await
    }
}

async fn find(database: impl PgExecutor<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Job>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select tenant, id, tenant_code, created_at, created_by, request, stretches, total, state, attempt,
                unrecorded, refused, rows_done, rows_scanned, started_at, ended_at, expires_at, bytes, sha256, hashes, failure
           from export.jobs where tenant = $1 and id = $2",
        tenant,
        id
    )
    .fetch_optional(database)
    .await?;
    row.map(Job::try_from).transpose()
}

async fn insert(database: &mut PgConnection, tenant: &Tenant, asked: &Asked) -> Result<Job, Error> {
    let total: u64 = asked.stretches.iter().map(|part| part.to - part.from).sum();
    let encode = |error: serde_json::Error| Error::Database(sqlx::Error::Encode(error.into()));
    let row = sqlx::query_as!(
        Row,
        "insert into export.jobs (tenant, id, tenant_code, created_by, request, stretches, total, due_at, unrecorded)
         values ($1, $2, $3, $4, $5, $6, $7, 'infinity', $8)
         returning tenant, id, tenant_code, created_at, created_by, request, stretches, total, state, attempt,
                   unrecorded, refused, rows_done, rows_scanned, started_at, ended_at, expires_at, bytes, sha256, hashes, failure",
        tenant.id,
        asked.id,
        tenant.code,
        asked.by,
        serde_json::to_value(&asked.request).map_err(encode)?,
        serde_json::to_value(&asked.stretches).map_err(encode)?,
        i64::try_from(total).unwrap_or(i64::MAX),
        asked.record
    )
    .fetch_one(database)
    .await?;
    Job::try_from(row)
}
