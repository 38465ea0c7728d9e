//! `GET /api/v1/tenants/{code}`.

use axum::extract;
use service::Caller;
use service::extract::{Json, Path};

use super::Tenant;
use crate::error::Result;
use crate::{State, docs};

/// One tenant
///
/// Operators see every tenant, everybody else his own.
#[utoipa::path(get, path = "/api/v1/tenants/{code}", operation_id = "get_tenant", tag = "tenants", params(("code" = String, Path, example = "demo")),
    responses((status = 200, body = Tenant), docs::Denied, docs::Missing), security(("bearer" = [])))]
pub(crate) async fn get(
    caller: Caller,
    Path(code): Path<String>,
    extract::State(state): extract::State<State>,
) -> Result<Json<Tenant>> {
    super::may_see(&caller, &code)?;
    Ok(Json(super::by_code(state.pool(), &code).await?))
}
