//! `GET /api/v1/users/{id}`.

use axum::extract;
use service::extract::{Json, Path};
use service::{Caller, Permission};
use uuid::Uuid;

use super::User;
use crate::error::Result;
use crate::{State, docs};

/// One user of the tenant
#[utoipa::path(get, path = "/api/v1/users/{id}", operation_id = "get_user", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 200, body = User), docs::Denied, docs::Missing, docs::Malformed), security(("bearer" = [])))]
pub(crate) async fn get(
    caller: Caller,
    Path(id): Path<Uuid>,
    extract::State(state): extract::State<State>,
) -> Result<Json<User>> {
    let tenant = caller.tenant()?.id;
    caller.require(Permission::ManageUsers)?;
    Ok(Json(User::by_id(state.pool(), tenant, id).await?))
}
