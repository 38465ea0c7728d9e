//! `GET /api/v1/service-accounts`: the tenant's service accounts.

use axum::extract;
use serde::Serialize;
use service::extract::{Json, Query};
use service::{Caller, Permission};

use super::{Row, ServiceAccount};
use crate::error::Result;
use crate::page::{self, Page};
use crate::{State, docs};

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ServiceAccounts {
    service_accounts: Vec<ServiceAccount>,
    /// Cursor of the next page; null on the last.
    next: Option<String>,
}

/// The tenant's service accounts, oldest first
#[utoipa::path(get, path = "/api/v1/service-accounts", operation_id = "list_service_accounts", tag = "service accounts", params(Page),
    responses((status = 200, body = ServiceAccounts), docs::Denied, docs::Malformed), security(("bearer" = [])))]
pub(crate) async fn list(
    caller: Caller,
    Query(page): Query<Page>,
    extract::State(state): extract::State<State>,
) -> Result<Json<ServiceAccounts>> {
    let tenant = caller.tenant()?.id;
    caller.require(Permission::ManageUsers)?;
    let limit = page.limit()?;
    let mut rows = sqlx::query_as!(
        Row,
        r#"select id, name, role, scopes, deactivated_at is null as "active!", created_at, updated_at
           from auth.service_accounts where tenant_id = $1 and id > $2 order by id limit $3"#,
        tenant,
        page.after()?,
        limit + 1,
    )
    .fetch_all(state.pool())
    .await?;
    let next = page::cut(&mut rows, limit, |row| row.id);
    let service_accounts = rows.into_iter().map(ServiceAccount::from).collect();
    Ok(Json(ServiceAccounts {
        service_accounts,
        next,
    }))
}
