//! `GET /api/v1/service-accounts/{id}`.

use axum::extract;
use service::extract::{Json, Path};
use service::{Caller, Permission};
use uuid::Uuid;

use super::ServiceAccount;
use crate::error::Result;
use crate::{State, docs};

/// One service account of the tenant
#[utoipa::path(get, path = "/api/v1/service-accounts/{id}", operation_id = "get_service_account", tag = "service accounts", params(("id" = Uuid, Path)),
    responses((status = 200, body = ServiceAccount), docs::Denied, docs::Missing, docs::Malformed), security(("bearer" = [])))]
pub(crate) async fn get(
    caller: Caller,
    Path(id): Path<Uuid>,
    extract::State(state): extract::State<State>,
) -> Result<Json<ServiceAccount>> {
    let tenant = caller.tenant()?.id;
    caller.require(Permission::ManageUsers)?;
    Ok(Json(ServiceAccount::by_id(state.pool(), tenant, id).await?))
}
