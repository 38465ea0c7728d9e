//! `GET /api/v1/logs/export`: the file as it is made, page by page as fast as the client reads. It
//! holds no connection to the database between pages, and what goes wrong ends the connection
//! without the end of the answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use axum::body::{Body, Bytes};
use axum::extract;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Response};
use chain::Timestamp;
use export::{Pass, Summary};
use futures_util::stream;
use http_body_util::BodyExt as _;
use ledger::Limit;
use serde_json::json;
use service::error::Problem;
use service::{ApiError, Caller, Permission};

use super::asked::{self, Choice, Source};
use super::places::Taken;
use super::shape::hex;
use crate::State;
use crate::access_record;
use crate::schema::{Conditions, Refusals};
use crate::state::tenant;

/// Of one statement; verifying and writing its rows takes a few milliseconds.
const PAGE: Limit = Limit {
    rows: 500,
    bytes: 512 << 10,
};

/// After the last byte, for clients that say `TE: trailers`.
const ROWS: HeaderName = HeaderName::from_static("veritrail-rows");
const SHA256: HeaderName = HeaderName::from_static("veritrail-sha256");

/// Export entries directly
///
/// Entries of one partition after the other, in the order of `seq`, as far as they are there when the
/// answer begins; verified while they are read. All conditions given must hold. An answer that breaks
/// off (no last chunk, for a compressed one no end of the file either) failed. With `TE: trailers` the
/// trailers `veritrail-rows` and `veritrail-sha256` follow the last byte.
#[utoipa::path(
    get, path = "/api/v1/logs/export", operation_id = "export_entries", tag = "exports",
    params(Choice, Conditions),
    responses(
        (status = 200, description = "The file", content((String = "text/csv"), (String = "application/jsonl"), (String = "application/gzip"))),
        (status = 429, description = "Too many direct exports of this tenant at once", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub(crate) async fn direct(
    extract::State(state): extract::State<State>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    caller.require(Permission::Export)?;
    let request = asked::of_query(&caller, uri.query().unwrap_or_default())?;
    let tenant = tenant(&caller)?;
    let place = state.exports().places.take(tenant.id)?;
    let stretches = asked::stretches(&state, &caller, &request, Source::Query).await?;
    let target = json!({"type": "tenant", "id": tenant.id});
    let metadata = asked::metadata(&request, &stretches);
    access_record::record(&state, &caller, "trail.export", "read", target, metadata).await?;

    let name = request.file_name(&tenant, now());
    let headers = file_headers(&name, request.content_type());
    let pass = Pass::new(state.ledger().clone(), tenant, &request, &stretches, PAGE);
    let told = Arc::new(Mutex::new(None));
    let pages = Pages {
        state,
        caller,
        pass,
        told: Arc::clone(&told),
        _place: place,
    };
    let body = Body::from_stream(stream::try_unfold(pages, |mut pages| async move {
        match pages.next().await {
            Ok(page) => Ok(page.map(|page| (page, pages))),
            // The connection ends without the end of the answer: the client sees that it failed.
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "a direct export ends early");
                Err(error)
            }
        }
    }));
    let body = Body::new(body.with_trailers(async move { trailers(&told).map(Ok) }));
    Ok((
        headers,
        [(header::TRAILER, "veritrail-rows, veritrail-sha256")],
        body,
    )
        .into_response())
}

/// What the headers of a file say; it may hold personal parts, so nobody on the way keeps it.
pub(super) fn file_headers(name: &str, content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(disposition) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    headers
}

type Told = Mutex<Option<Summary>>;

/// Only of an export that came to its end.
fn trailers(told: &Told) -> Option<HeaderMap> {
    let summary = told.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    let mut trailers = HeaderMap::new();
    trailers.insert(ROWS, HeaderValue::from(summary.rows));
    trailers.insert(SHA256, HeaderValue::try_from(hex(&summary.sha256)).ok()?);
    Some(trailers)
}

struct Pages {
    state: State,
    caller: Caller,
    pass: Pass,
    told: Arc<Told>,
    _place: Taken,
}

impl Pages {
    async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        loop {
            may_go_on(&self.state, &self.caller)?;
            match self.pass.next().await? {
                Some(page) if page.is_empty() => {}
                Some(page) => return Ok(Some(page)),
                None => {
                    let summary = self.pass.summary().cloned();
                    *self.told.lock().unwrap_or_else(PoisonError::into_inner) = summary;
                    return Ok(None);
                }
            }
        }
    }
}

/// An answer can take hours: neither a token that ended nor a caller who was shut out keeps it.
pub(super) fn may_go_on(state: &State, caller: &Caller) -> anyhow::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    ensure!(u64::try_from(caller.expires_at)? > now, "the token ended");
    let admitted = state.access().admit_read(caller);
    admitted.map_err(|refused| anyhow::anyhow!("no longer admitted: {refused}"))
}

/// Of this host; it only names the file.
fn now() -> Timestamp {
    let micros = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0));
    Timestamp::from_micros(micros).unwrap_or(Timestamp::FIRST)
}
