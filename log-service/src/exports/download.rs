//! `GET /api/v1/exports/{id}/download`: the file of a finished job, through this service or by a
//! link. A file that is not what the worker wrote is never given out as if it were.

use std::ops::Range;
use std::time::Duration;

use anyhow::ensure;
use axum::body::{Body, Bytes};
use axum::extract;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use export::Summary;
use export::jobs::{self, Job};
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use service::error::Problem;
use service::extract::{Json, Path, Query};
use service::{ApiError, Caller, Permission};
use sha2::{Digest as _, Sha256};
use store::{Object, Store};
use uuid::Uuid;

use super::direct::{file_headers, may_go_on};
use super::may_have;
use super::places::Taken;
use super::range::{self, Part};
use super::shape::{ExportLink, Way, hex};
use crate::State;
use crate::access_record;
use crate::schema::Refusals;

/// Enough to follow it, too short to be passed on.
const LINK_LIFETIME: Duration = Duration::from_mins(1);

/// Download the file of an export
///
/// Each download and each link is recorded in `system` first. Takes `Range` (one range) with
/// `If-Range`: a download that broke off is gone on with.
#[utoipa::path(
    get, path = "/api/v1/exports/{id}/download", operation_id = "download_export", tag = "exports",
    params(("id" = Uuid, Path, description = "The job's id"), Way),
    responses(
        (status = 200, description = "The file; with `link=true` a link to it", content((String = "text/csv"), (String = "application/jsonl"), (String = "application/gzip"), (ExportLink = "application/json"))),
        (status = 206, description = "The range of it"),
        (status = 304, description = "What the client has is the file"),
        (status = 404, description = "No such job in this tenant", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`export_not_finished`, `export_failed`, `export_expired`, `no_links`", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "The range begins behind the end; `content-range` has the size", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many downloads of this tenant at once", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub(crate) async fn download(
    extract::State(state): extract::State<State>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Query(way): Query<Way>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.require(Permission::Export)?;
    let job = state.exports().job(&caller, id).await?;
    may_have(&caller, &job)?;
    let summary = finished(&job)?.clone();
    let Some(store) = &state.exports().store else {
        let none = anyhow::anyhow!("STORE_URL is not set");
        return Err(ApiError::unavailable("store_unavailable", none));
    };
    if way.link {
        return link(&state, &caller, &job, &**store).await;
    }
    let place = state.exports().places.take(job.tenant.id)?;
    let etag = format!("\"{}\"", hex(&summary.sha256));
    let range = match range::asked(&headers, &etag, summary.bytes) {
        Part::Unchanged => {
            return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
        }
        Part::Beyond => return Ok(beyond(summary.bytes)),
        Part::Whole => None,
        Part::Range(range) => Some(range),
    };
    let asked = json!({"from": range.as_ref().map(|range| range.start), "to": range.as_ref().map(|range| range.end)});
    record(&state, &caller, &job, asked).await?;
    let object = store.read(&job.key(), range.clone()).await;
    let object = object.map_err(unread)?;
    let answer = headers_of(&job, &summary, &etag, range.as_ref());
    let status = match range {
        Some(_) => StatusCode::PARTIAL_CONTENT,
        None => StatusCode::OK,
    };
    let body = body(Chunks::new(state, caller, object, &summary, range, place)?);
    Ok((status, answer, body).into_response())
}

fn finished(job: &Job) -> Result<&Summary, ApiError> {
    use jobs::State as S;
    let conflict = |code, detail: &str| {
        let detail = detail.to_owned();
        Err(ApiError::Conflict { code, detail })
    };
    match (job.state, &job.summary) {
        (S::Finished, Some(summary)) => Ok(summary),
        (S::Queued | S::Running, _) => conflict("export_not_finished", "the file is not there yet"),
        (S::Expired, _) => conflict("export_expired", "the file is not there any more"),
        _ => conflict("export_failed", "the export ended without a file"),
    }
}

async fn record(
    state: &State,
    caller: &Caller,
    job: &Job,
    metadata: serde_json::Value,
) -> Result<(), ApiError> {
    let target = json!({"type": "export", "id": job.id});
    access_record::record(state, caller, "export.download", "read", target, metadata).await
}

async fn link(
    state: &State,
    caller: &Caller,
    job: &Job,
    store: &dyn Store,
) -> Result<Response, ApiError> {
    record(state, caller, job, json!({"link": true})).await?;
    let (name, content_type) = (job.file_name(), job.request.content_type());
    let link = store
        .link(&job.key(), &name, content_type, LINK_LIFETIME)
        .await;
    let Some(url) = link.map_err(unread)? else {
        return Err(ApiError::Conflict {
            code: "no_links",
            detail: "files are not in a store with links here: download through the service"
                .to_owned(),
        });
    };
    let link = ExportLink {
        url: url.into(),
        expires_in: LINK_LIFETIME.as_secs(),
    };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((headers, Json(link)).into_response())
}

fn unread(error: store::Error) -> ApiError {
    match error {
        store::Error::NotFound => ApiError::Conflict {
            code: "export_expired",
            detail: "the file is not there any more".to_owned(),
        },
        store::Error::Unavailable(_) => ApiError::unavailable("store_unavailable", error),
        other => ApiError::Internal(other.into()),
    }
}

fn beyond(size: u64) -> Response {
    let mut answer = ApiError::RangeNotSatisfiable.into_response();
    if let Ok(range) = HeaderValue::try_from(format!("bytes */{size}")) {
        answer.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    answer
}

fn headers_of(job: &Job, summary: &Summary, etag: &str, range: Option<&Range<u64>>) -> HeaderMap {
    let mut headers = file_headers(&job.file_name(), job.request.content_type());
    let length = range.map_or(summary.bytes, |range| range.end - range.start);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(header::ETAG, etag);
    }
    let range =
        range.map(|range| format!("bytes {}-{}/{}", range.start, range.end - 1, summary.bytes));
    if let Some(Ok(range)) = range.map(HeaderValue::try_from) {
        headers.insert(header::CONTENT_RANGE, range);
    }
    headers
}

/// The file on its way. The digest of a whole one is known before its last piece is given out.
struct Chunks {
    state: State,
    caller: Caller,
    object: Object,
    left: u64,
    digest: Option<(Sha256, [u8; 32])>,
    _place: Taken,
}

impl Chunks {
    fn new(
        state: State,
        caller: Caller,
        object: Object,
        summary: &Summary,
        range: Option<Range<u64>>,
        place: Taken,
    ) -> Result<Self, ApiError> {
        if object.size != summary.bytes {
            let error = anyhow::anyhow!("{} bytes instead of {}", object.size, summary.bytes);
            return Err(ApiError::Internal(
                error.context("a file is not what was written"),
            ));
        }
        let digest = range.is_none().then(|| (Sha256::new(), summary.sha256));
        Ok(Self {
            state,
            caller,
            object,
            left: range.map_or(summary.bytes, |range| range.end - range.start),
            digest,
            _place: place,
        })
    }

    async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        may_go_on(&self.state, &self.caller)?;
        let Some(chunk) = self.object.body.next().await.transpose()? else {
            ensure!(
                self.left == 0,
                "{} bytes of the file are missing",
                self.left
            );
            return Ok(None);
        };
        let length = chunk.len() as u64;
        ensure!(
            length <= self.left,
            "the file has more bytes than were written"
        );
        self.left -= length;
        if let Some((digest, _)) = &mut self.digest {
            digest.update(&chunk);
        }
        if self.left == 0
            && let Some((digest, expected)) = self.digest.take()
        {
            ensure!(
                digest.finalize()[..] == expected,
                "the file is not what was written"
            );
        }
        Ok(Some(chunk))
    }
}

fn body(chunks: Chunks) -> Body {
    Body::from_stream(stream::try_unfold(chunks, |mut chunks| async move {
        match chunks.next().await {
            Ok(chunk) => Ok(chunk.map(|chunk| (chunk, chunks))),
            // The connection ends before the length that was said: the client sees that it failed.
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "a download ends early");
                Err(error)
            }
        }
    }))
}
