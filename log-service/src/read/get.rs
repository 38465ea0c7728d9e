//! `GET /api/v1/logs/{id}` and its evidence. It never tells whether an id exists elsewhere.

use axum::extract;
use axum::response::Response;
use chain::{Corrupt, Stored};
use serde_json::json;
use service::error::Problem;
use service::extract::Path;
use service::{ApiError, Caller, Permission};
use uuid::Uuid;

use super::{json, mask, visible};
use crate::State;
use crate::access_record::{self, Read};
use crate::schema::{Entry, Evidence, Refusals};
use crate::state::{tenant, unanswered};

/// Get one entry
#[utoipa::path(
    get, path = "/api/v1/logs/{id}", operation_id = "get_entry", tag = "read",
    params(("id" = Uuid, Path, description = "The entry's id")),
    responses(
        (status = 200, description = "In reading form; without personal parts for viewers", body = Entry),
        (status = 404, description = "No such entry in this tenant", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub(crate) async fn get(
    extract::State(state): extract::State<State>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    caller.require(Permission::Read)?;
    let entry = find(&state, &caller, id).await?;
    let read = Read::Entry {
        partition: &entry.partition,
        id,
    };
    state.access_records().count(&state, &caller, read).await?;
    entry
        .reading_form(mask(&caller))
        .map(json)
        .map_err(|corrupt| damaged(&entry, corrupt))
}

/// Get one entry in evidence form
#[utoipa::path(
    get, path = "/api/v1/logs/{id}/evidence", operation_id = "get_entry_evidence", tag = "evidence",
    params(("id" = Uuid, Path, description = "The entry's id")),
    responses(
        (status = 200, description = "Exact texts, to be hashed", body = Evidence),
        (status = 404, description = "No such entry in this tenant", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub(crate) async fn evidence(
    extract::State(state): extract::State<State>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    caller.require(Permission::Audit)?;
    let entry = find(&state, &caller, id).await?;
    let metadata = json!({"id": id});
    access_record::before_answer(
        &state,
        &caller,
        "trail.evidence",
        &entry.partition,
        metadata,
    )
    .await?;
    entry
        .evidence_form()
        .map(json)
        .map_err(|corrupt| damaged(&entry, corrupt))
}

async fn find(state: &State, caller: &Caller, id: Uuid) -> Result<Stored, ApiError> {
    let found = state.ledger().by_id(&tenant(caller)?, id).await;
    found
        .map_err(unanswered)?
        .filter(|entry| visible(caller, &entry.partition))
        .ok_or(ApiError::NotFound)
}

fn damaged(entry: &Stored, corrupt: Corrupt) -> ApiError {
    let place = format!("{}/{} is not what was recorded", entry.partition, entry.seq);
    ApiError::Internal(anyhow::Error::new(corrupt).context(place))
}
