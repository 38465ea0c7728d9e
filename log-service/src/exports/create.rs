//! `POST /api/v1/exports`: a job for export-worker. The row is the job; the hint only makes it start
//! sooner, and is never waited for.

use std::sync::Arc;

use axum::extract;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use export::Hint;
use export::jobs::{self, Asked, Created, Job};
use serde_json::json;
use service::error::Problem;
use service::extract::Json;
use service::{ApiError, Caller, Permission};
use std::time::Duration;
use uuid::Uuid;

use super::asked::{self, NewExport, Source};
use super::shape::ExportJob;
use super::unanswered;
use crate::State;
use crate::access_record;
use crate::append::ids::IdempotencyKey;
use crate::schema::Refusals;
use crate::state::tenant;

/// Until a place is free among a tenant's open jobs, as a guess.
const BUSY: Duration = Duration::from_secs(10);

/// Ask for an export
///
/// What is appended after the answer is not in it. Recorded in `system` before anybody works on it.
#[utoipa::path(
    post, path = "/api/v1/exports", operation_id = "create_export", tag = "exports",
    params(("idempotency-key" = Option<String>, Header, description = "1 to 255 visible ASCII characters; an export without an id gets one that follows from it")),
    request_body(content = NewExport, example = json!({"format": "csv", "gzip": true, "filter": {"action": "invoice.*"}})),
    responses(
        (status = 201, description = "Asked for; `location` is the job", body = ExportJob),
        (status = 200, description = "Had been asked for", body = ExportJob),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The id belongs to another export", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "The tenant has as many open jobs as it may have", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub(crate) async fn create(
    extract::State(state): extract::State<State>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Json(new): Json<NewExport>,
) -> Result<Response, ApiError> {
    caller.require(Permission::Export)?;
    let tenant = tenant(&caller)?;
    let derived = key.map(|key| key.derived(caller.principal, "export"));
    let id = new.id.or(derived).unwrap_or_else(Uuid::now_v7);
    let request = new.request(&caller)?;
    let exports = state.exports();
    if let Some(job) = exports.jobs.get(tenant.id, id).await.map_err(unanswered)? {
        return there(&state, job, &request).await;
    }
    let open = exports.jobs.count_open(tenant.id).await;
    if open.map_err(unanswered)? >= u64::from(exports.most) {
        // One of them may be this one, which another request has just made.
        return match exports.jobs.get(tenant.id, id).await.map_err(unanswered)? {
            Some(job) => there(&state, job, &request).await,
            None => Err(ApiError::TooMany { retry_after: BUSY }),
        };
    }
    let asked = Asked {
        id,
        by: caller.principal.to_string(),
        record: Uuid::now_v7(),
        stretches: asked::stretches(&state, &caller, &request, Source::Body).await?,
        request,
    };
    match exports.jobs.create(&tenant, &asked, exports.most).await {
        Ok(Created::New(job)) => {
            let job = recorded(&state, *job).await?;
            tell(&state, &job);
            Ok(made(&job))
        }
        // The same request came twice at once.
        Ok(Created::There(job)) => there(&state, *job, &asked.request).await,
        Err(jobs::Error::TooMany) => Err(ApiError::TooMany { retry_after: BUSY }),
        Err(error) => Err(unanswered(error)),
    }
}

/// Nobody works on a job before it is on the trail. A crash before the record leaves a job that a
/// repetition brings here again, or that is removed; one after it leaves a record of an intent, never
/// an export without one. Whose request comes here first does not matter: the row says what is recorded.
async fn recorded(state: &State, job: Job) -> Result<Job, ApiError> {
    let Some(record) = job.unrecorded else {
        return Ok(job);
    };
    let by = job.created_by.split_once(':');
    let by = by.ok_or_else(|| ApiError::Internal(anyhow::anyhow!("a job that nobody made")))?;
    let target = json!({"type": "export", "id": job.id});
    let metadata = asked::metadata(&job.request, &job.stretches);
    let entry = access_record::entry(by, "export.create", "create", &target, &metadata);
    access_record::record_once(state, job.tenant.clone(), record, &entry).await?;
    let jobs = &state.exports().jobs;
    match jobs.recorded(job.tenant.id, job.id, record).await {
        Err(error @ jobs::Error::Lost) => {
            Err(ApiError::unavailable("access_record_unavailable", error))
        }
        recorded => recorded.map_err(unanswered),
    }
}

fn made(job: &Job) -> Response {
    let mut answer = (StatusCode::CREATED, Json(ExportJob::from(job))).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("/api/v1/exports/{}", job.id)) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

async fn there(state: &State, job: Job, asked: &export::Request) -> Result<Response, ApiError> {
    if job.request != *asked {
        return Err(ApiError::Conflict {
            code: "id_taken",
            detail: "this id belongs to an export that asks for something else".to_owned(),
        });
    }
    let job = recorded(state, job).await?;
    Ok((StatusCode::OK, Json(ExportJob::from(&job))).into_response())
}

fn tell(state: &State, job: &Job) {
    let Some(queue) = state.exports().queue.as_ref().map(Arc::clone) else {
        return;
    };
    let hint = Hint {
        tenant: job.tenant.id,
        export: job.id,
    };
    tokio::spawn(async move {
        if let Err(error) = queue.send(&[hint.body()]).await {
            metrics::counter!("hints_failed_total").increment(1);
            tracing::info!(export = %hint.export, %error, "no hint: the workers find the export by themselves");
        }
    });
}
