//! `GET /api/v1/logs`: a page of what the index finds and the ledger confirms, over the partitions that
//! the caller may read. It never holds a database connection between two of its statements.

use std::time::Duration;

use axum::extract;
use axum::http::Uri;
use axum::response::Response;
use ledger::{Scan, Tenant, Times, Window};
use query::{Filter, MAX_CHAINS, Order, Question, Remaining};
use service::{ApiError, Caller, Permission, Place};
use tokio::time::Instant;

use super::find::{Find, STATEMENT, indexed};
use super::page::Page;
use super::{json, mask, visible};
use crate::State;
use crate::access_record::Read;
use crate::schema::{self, Conditions, Paging, Refusals};
use crate::state::{tenant, unanswered};

/// A page ends at the first of these, whether or not it is full: no filter can keep a reader
/// connection, or this process, busy for long.
pub(super) const MAX_SCANNED: usize = 20_000;
pub(super) const MAX_TIME: Duration = Duration::from_secs(2);

/// List entries
///
/// By time of receipt over all partitions that the caller may read, newest first unless `order`
/// says otherwise. All conditions given must hold. A label is asked for as `label.NAME=value`.
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
    if let (Some(seq), Some(partition)) = (question.wait_for, question.filter.partition())
        && state.index().is_there()
    {
        let (waits, tenant) = (state.waits(), tenant(&caller)?.id);
        waits
            .until_visible(state.ledger(), tenant, partition, seq)
            .await?;
    }
    let scan = scan(&state, &caller, &question);
    let (scan, visible) = tokio::try_join!(scan, indexed(&state, &caller, &question))?;
    let read = Read::List(&question.filter);
    state.access_records().count(&state, &caller, read).await?;
    let mut find = Find::new(
        &state,
        &caller,
        &question,
        tenant(&caller)?,
        scan,
        visible.as_ref(),
    );
    page(&caller, &question, &mut find).await.map(json)
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

/// What is left to read: of the cursor, or of everything up to the heads of this moment.
async fn scan(state: &State, caller: &Caller, question: &Question) -> Result<Scan, ApiError> {
    let mut scan = match &question.cursor {
        Some(cursor) => Scan {
            windows: cursor.remaining.iter().map(window).collect(),
            times: times(&question.filter),
            order: ledger::Order::Descending,
            limit: STATEMENT,
        },
        None => bounds(state, caller, &question.filter, &tenant(caller)?).await?,
    };
    scan.order = match question.order {
        Order::Ascending => ledger::Order::Ascending,
        Order::Descending => ledger::Order::Descending,
    };
    Ok(scan)
}

fn times(filter: &Filter) -> Times {
    Times {
        from: filter.from(),
        to: filter.to(),
    }
}

/// Everything that the caller may read and that the filter's partition and times leave, newest first.
pub(super) async fn bounds(
    state: &State,
    caller: &Caller,
    filter: &Filter,
    tenant: &Tenant,
) -> Result<Scan, ApiError> {
    let times = times(filter);
    let named: Vec<_> = filter.partition().map(str::to_owned).into_iter().collect();
    let windows = state.ledger().windows(tenant, &named, times).await;
    let mut windows = windows.map_err(unanswered)?;
    windows.retain(|window| window.from < window.to && visible(caller, &window.partition));
    windows.sort_by(|a, b| (&a.partition, a.generation).cmp(&(&b.partition, b.generation)));
    if windows.len() > MAX_CHAINS {
        return Err(ApiError::invalid(
            "query.partition",
            "more than 64 partitions have entries in this time; name one, or a shorter time",
        ));
    }
    Ok(Scan {
        windows,
        times,
        order: ledger::Order::Descending,
        limit: STATEMENT,
    })
}

fn window(left: &Remaining) -> Window {
    Window {
        partition: left.partition.clone(),
        generation: left.generation,
        from: left.from,
        to: left.to,
    }
}

async fn page(
    caller: &Caller,
    question: &Question,
    find: &mut Find<'_>,
) -> Result<String, ApiError> {
    let started = Instant::now();
    let mut page = Page::new(question, mask(caller));
    while page.has_room() && find.read < MAX_SCANNED && started.elapsed() < MAX_TIME {
        let Some(row) = find.next(page.room()).await? else {
            break;
        };
        page.take(&row);
    }
    Ok(page.end(find.left()))
}
