//! `GET /api/v1/logs`: a page of what the index finds and the ledger confirms, over the partitions that
//! the caller may read. It holds a database connection only for a few short statements, and while the index
//! is asked.

use axum::extract;
use axum::http::Uri;
use axum::response::Response;
use ledger::Chain;
use query::{Filter, Question};
use service::{ApiError, Caller, Permission, Place};
use tokio::time::Instant;

use super::asking::{Asking, MAX_SCANNED, MAX_TIME};
use super::find::Find;
use super::page::Page;
use super::{json, visible};
use crate::State;
use crate::access_record::Read;
use crate::schema::{self, Conditions, Paging, Refusals};
use crate::state::tenant;

/// List entries
///
/// By time of receipt over all partitions that the caller may read, newest first unless `order`
/// says otherwise. All conditions given must hold. A label is asked for as `label.NAME=value`, what stands in
/// `metadata` as `metadata.PATH=value`: `metadata.order.tags=gift` for `{"order": {"tags": ["gift"]}}` (personal: not
/// for viewers).
#[utoipa::path(
    get, path = "/api/v1/logs", operation_id = "list_entries", tag = "read",
    params(Conditions, Paging),
    responses(
        (status = 200, description = "A page, in reading form; without personal parts for viewers", body = schema::Page,
         example = json!({"entries": [], "next": null, "complete": true})),
        Refusals,
    ),
)]
pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    caller.require(Permission::Read)?;
    let question = Question::parse(uri.query().unwrap_or_default()).map_err(invalid)?;
    let cursor = question.cursor.iter().flat_map(|cursor| &cursor.remaining);
    let named = cursor
        .map(|part| part.partition.as_str())
        .chain(question.filter.partition());
    may_ask(&caller, &question.filter, named)?;
    if let (Some(seq), Some(partition)) = (question.wait_for, question.filter.partition()) {
        let chain = Chain {
            tenant: tenant(&caller)?.id,
            partition: partition.to_owned(),
        };
        let found = state
            .waits()
            .until_visible(state.ledger(), state.index(), chain, seq);
        found.await?;
        // What was known before is from before that.
        state.extents().forget(tenant(&caller)?.id);
    }
    let asking = Asking {
        state: &state,
        caller: &caller,
        question: &question,
        tenant: tenant(&caller)?,
    };
    let mut find = match &question.cursor {
        Some(cursor) => Find::left_over(asking, cursor).await?,
        None => Find::up_to_the_heads(asking).await?,
    };
    let read = Read::List(&question.filter);
    state.access_records().count(&state, &caller, read).await?;
    page(&question, &mut find).await.map(json)
}

pub(super) fn invalid(faults: Vec<query::Fault>) -> ApiError {
    let place = |fault: query::Fault| Place::new(fault.path, fault.message);
    ApiError::Invalid(faults.into_iter().map(place).collect())
}

/// Beyond the role: also a cursor may name only what its sender may read.
pub(super) fn may_ask<'a>(
    caller: &Caller,
    filter: &Filter,
    named: impl IntoIterator<Item = &'a str>,
) -> Result<(), ApiError> {
    let personal = filter.personal().is_some() && !caller.may(Permission::ReadPersonal);
    let mut named = named.into_iter();
    if personal || named.any(|partition| !visible(caller, partition)) {
        return Err(ApiError::Forbidden { code: "forbidden" });
    }
    Ok(())
}

async fn page(question: &Question, find: &mut Find<'_>) -> Result<String, ApiError> {
    let started = Instant::now();
    let mut page = Page::new(question);
    while page.has_room() && find.read < MAX_SCANNED && started.elapsed() < MAX_TIME {
        let Some(row) = find.next(page.room()).await? else {
            break;
        };
        page.take(&row);
    }
    Ok(page.end(find.left()))
}
