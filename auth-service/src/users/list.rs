//! `GET /api/v1/users`: the tenant's users.

use axum::extract;
use serde::Serialize;
use service::extract::{Json, Query};
use service::{Caller, Permission};

use super::{Row, User};
use crate::error::Result;
use crate::page::{self, Page};
use crate::{State, docs};

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Users {
    users: Vec<User>,
    /// Cursor of the next page; null on the last.
    next: Option<String>,
}

/// The tenant's users, oldest first
#[utoipa::path(get, path = "/api/v1/users", operation_id = "list_users", tag = "users", params(Page),
    responses((status = 200, body = Users), docs::Denied, docs::Malformed), security(("bearer" = [])))]
pub(crate) async fn list(
    caller: Caller,
    Query(page): Query<Page>,
    extract::State(state): extract::State<State>,
) -> Result<Json<Users>> {
    let tenant = caller.tenant()?.id;
    caller.require(Permission::ManageUsers)?;
    let limit = page.limit()?;
    let mut rows = sqlx::query_as!(
        Row,
        "select id, username, email, name, roles, status, created_at, updated_at
         from auth.users where tenant_id = $1 and id > $2 order by id limit $3",
        tenant,
        page.after()?,
        limit + 1,
    )
    .fetch_all(state.pool())
    .await?;
    let next = page::cut(&mut rows, limit, |row| row.id);
    let users = rows.into_iter().map(User::from).collect();
    Ok(Json(Users { users, next }))
}
