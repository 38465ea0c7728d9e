//! Exports: direct ones, and the front of the jobs that export-worker does. Everything is the
//! caller's tenant's; what belongs to another is not there. It never makes a job's file.

mod asked;
pub(crate) mod create;
pub(crate) mod direct;
pub(crate) mod download;
mod places;
mod range;
mod shape;

use std::sync::Arc;

use anyhow::Context as _;
use axum::extract;
use export::jobs::{self, Job, Jobs, Role};
use queue::Queue;
use secrecy::SecretString;
use serde_json::json;
use service::error::Problem;
use service::extract::{Json, Path, Query};
use service::{ApiError, Caller, Permission};
use store::Store;
use uuid::Uuid;

use self::places::Places;
use self::shape::{ExportJob, ExportList, Paging};
use crate::access_record;
use crate::config::Exports as Config;
use crate::schema::Refusals;
use crate::state::tenant;
use crate::{State, access_record::SYSTEM};

/// Connections to the job table.
const CONNECTIONS: u32 = 4;
const MOST_LISTED: u32 = 100;
const LISTED: u32 = 20;

/// What exports need beside the ledger.
pub(crate) struct Exports {
    jobs: Jobs,
    /// Where files of jobs are; none: there is nothing to download.
    store: Option<Arc<dyn Store>>,
    /// Who is told of a new job; none: the workers find it by themselves.
    queue: Option<Arc<dyn Queue>>,
    /// Open jobs of a tenant.
    most: u32,
    places: Places,
}

impl Exports {
    pub(crate) async fn open(database: &SecretString, config: &Config) -> anyhow::Result<Self> {
        let endpoint = config.store_public_endpoint.as_deref();
        let store = match &config.store_url {
            Some(url) => Some(store::open(url, endpoint).await.context("STORE_URL")?),
            None => None,
        };
        let queue = match &config.export_queue_url {
            Some(url) => Some(queue::open(url).await.context("EXPORT_QUEUE_URL")?),
            None => None,
        };
        Ok(Self {
            jobs: Jobs::open(database, Role::Ask, CONNECTIONS).context("DATABASE_URL")?,
            store,
            queue,
            most: config.export_jobs,
            places: Places::default(),
        })
    }

    /// Whether the queue of jobs answers, where there is one.
    pub(crate) async fn queue_ready(&self) -> anyhow::Result<()> {
        match &self.queue {
            Some(queue) => queue.ready().await.context("the queue of export jobs"),
            None => Ok(()),
        }
    }

    /// Whether the object store answers, where there is one.
    pub(crate) async fn store_ready(&self) -> anyhow::Result<()> {
        match &self.store {
            Some(store) => store.ready().await.context("the object store"),
            None => Ok(()),
        }
    }

    /// Gives the connections back.
    pub(crate) async fn close(&self) {
        self.jobs.close().await;
    }

    async fn job(&self, caller: &Caller, id: Uuid) -> Result<Job, ApiError> {
        let found = self.jobs.get(tenant(caller)?.id, id).await;
        found.map_err(unanswered)?.ok_or(ApiError::NotFound)
    }
}

fn unanswered(error: jobs::Error) -> ApiError {
    match error {
        jobs::Error::Unavailable(_) => ApiError::unavailable("database_unavailable", error),
        other => ApiError::Internal(other.into()),
    }
}

/// List export jobs
#[utoipa::path(
    get, path = "/api/v1/exports", operation_id = "list_exports", tag = "exports",
    params(Paging),
    responses((status = 200, description = "The tenant's jobs, newest first", body = ExportList), Refusals),
)]
pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    caller: Caller,
    Query(asked): Query<Paging>,
) -> Result<Json<ExportList>, ApiError> {
    caller.require(Permission::Export)?;
    let limit = asked.limit.unwrap_or(LISTED);
    if !(1..=MOST_LISTED).contains(&limit) {
        return Err(ApiError::invalid(
            "query.limit",
            "not a number from 1 to 100",
        ));
    }
    let tenant = tenant(&caller)?;
    let jobs = &state.exports().jobs;
    // One more tells whether there is a next page.
    let found = jobs.list(tenant.id, asked.after, limit + 1).await;
    let mut found = found.map_err(unanswered)?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|job| job.id);
    Ok(Json(ExportList {
        exports: found.iter().map(ExportJob::from).collect(),
        next,
    }))
}

/// Get an export job
#[utoipa::path(
    get, path = "/api/v1/exports/{id}", operation_id = "get_export", tag = "exports",
    params(("id" = Uuid, Path, description = "The job's id")),
    responses(
        (status = 200, description = "How far it is, and what came of it", body = ExportJob),
        (status = 404, description = "No such job in this tenant", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub(crate) async fn get(
    extract::State(state): extract::State<State>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<ExportJob>, ApiError> {
    caller.require(Permission::Export)?;
    let job = state.exports().job(&caller, id).await?;
    Ok(Json(ExportJob::from(&job)))
}

/// Cancel an export job, or remove its file
///
/// An open job becomes `cancelled`; the file of a finished one is removed, and it becomes `expired`.
/// A job that ended otherwise stays as it is.
#[utoipa::path(
    delete, path = "/api/v1/exports/{id}", operation_id = "cancel_export", tag = "exports",
    params(("id" = Uuid, Path, description = "The job's id")),
    responses(
        (status = 200, description = "The job as it is now", body = ExportJob),
        (status = 404, description = "No such job in this tenant", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub(crate) async fn cancel(
    extract::State(state): extract::State<State>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<ExportJob>, ApiError> {
    caller.require(Permission::Export)?;
    let exports = state.exports();
    let before = exports.job(&caller, id).await?;
    may_have(&caller, &before)?;
    let target = json!({"type": "export", "id": id});
    access_record::record(
        &state,
        &caller,
        "export.delete",
        "delete",
        target,
        json!({}),
    )
    .await?;
    let after = exports.jobs.cancel(before.tenant.id, id).await;
    let after = after.map_err(unanswered)?.ok_or(ApiError::NotFound)?;
    // A worker removes what is in the store; a file that was finished goes at once where that works.
    if let (jobs::State::Expired, Some(store)) = (after.state, &exports.store)
        && let Err(error) = store.delete(&after.key()).await
    {
        tracing::info!(export = %id, %error, "the file goes later");
    }
    Ok(Json(ExportJob::from(&after)))
}

/// A file holds what its asker might see; whoever may see less does not get it.
fn may_have(caller: &Caller, job: &Job) -> Result<(), ApiError> {
    let personal = job.request.personal && !caller.may(Permission::ReadPersonal);
    let mut partitions = job.stretches.iter().map(|stretch| &stretch.partition);
    let system = !caller.may(Permission::ReadSystem) && partitions.any(|name| name == SYSTEM);
    let evidence = job.request.format == export::Format::Evidence && !caller.may(Permission::Audit);
    if personal || system || evidence {
        return Err(ApiError::Forbidden { code: "forbidden" });
    }
    Ok(())
}
