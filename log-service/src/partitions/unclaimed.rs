//! `GET /api/v1/ids/unclaimed`: rows of the id table that belong to no entry. Nothing of ours
//! leaves such rows, so each one tells that somebody wrote to the database.

use axum::extract;
use serde::Serialize;
use service::extract::{Json, Query};
use service::{ApiError, Caller, Permission};
use utoipa::ToSchema;
use uuid::Uuid;

use super::asked::IdStep;
use crate::State;
use crate::schema::Refusals;
use crate::state::{tenant, unanswered};

/// Ids looked at in one answer.
const STEP: u32 = 20_000;

/// One step through the ids of a tenant.
#[derive(Serialize, ToSchema)]
#[schema(as = UnclaimedIds)]
pub(crate) struct Unclaimed {
    ids: Vec<IdTableRow>,
    /// Where to go on; null at the end.
    next: Option<Uuid>,
}

/// A row of the id table.
#[derive(Serialize, ToSchema)]
#[schema(as = UnclaimedId)]
pub(crate) struct IdTableRow {
    pub(super) id: Uuid,
    pub(super) partition: String,
    pub(super) generation: u32,
    pub(super) seq: u64,
    pub(super) received_at: String,
}

impl From<&ledger::IdRow> for IdTableRow {
    fn from(row: &ledger::IdRow) -> Self {
        Self {
            id: row.id,
            partition: row.partition.clone(),
            generation: row.generation,
            seq: row.seq,
            received_at: row.received_at.to_string(),
        }
    }
}

/// List ids that belong to no entry
///
/// For verifiers: somebody wrote to the database where there are some.
#[utoipa::path(
    get, path = "/api/v1/ids/unclaimed", operation_id = "list_unclaimed_ids", tag = "evidence",
    params(IdStep),
    responses((status = 200, description = "In steps: ask again with `next` until it is null", body = Unclaimed), Refusals),
)]
pub(crate) async fn unclaimed(
    extract::State(state): extract::State<State>,
    caller: Caller,
    Query(after): Query<IdStep>,
) -> Result<Json<Unclaimed>, ApiError> {
    caller.require(Permission::Audit)?;
    let tenant = tenant(&caller)?;
    let step = state.ledger().audit_ids(&tenant, after.after, STEP).await;
    let (rows, next) = step.map_err(unanswered)?;
    Ok(Json(Unclaimed {
        ids: rows.iter().map(IdTableRow::from).collect(),
        next,
    }))
}
