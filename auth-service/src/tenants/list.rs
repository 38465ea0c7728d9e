//! `GET /api/v1/tenants`, for operators.

use axum::extract;
use serde::Serialize;
use service::extract::{Json, Query};
use service::{Caller, Permission};

use super::{Row, Tenant};
use crate::error::Result;
use crate::page::{self, Page};
use crate::{State, docs};

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Tenants {
    tenants: Vec<Tenant>,
    /// Cursor of the next page; null on the last.
    next: Option<String>,
}

/// All tenants, oldest first
#[utoipa::path(get, path = "/api/v1/tenants", operation_id = "list_tenants", tag = "tenants", params(Page),
    responses((status = 200, body = Tenants), docs::Denied, docs::Malformed), security(("bearer" = [])))]
pub(crate) async fn list(
    caller: Caller,
    Query(page): Query<Page>,
    extract::State(state): extract::State<State>,
) -> Result<Json<Tenants>> {
    caller.require(Permission::ManageTenants)?;
    let limit = page.limit()?;
    let mut rows = sqlx::query_as!(
        Row,
        "select id, code, name, status, registration, registration_domains, personal_ids,
                access_token_seconds, refresh_token_seconds, first_admin_at, created_at, updated_at
         from auth.tenants where id > $1 order by id limit $2",
        page.after()?,
        limit + 1,
    )
    .fetch_all(state.pool())
    .await?;
    let next = page::cut(&mut rows, limit, |row| row.id);
    let tenants = rows.into_iter().map(Tenant::from).collect();
    Ok(Json(Tenants { tenants, next }))
}
