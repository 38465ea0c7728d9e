//! `GET /api/v1/users/me`: who the caller is, whatever kind of caller.

use axum::extract;
use serde::Serialize;
use service::extract::Json;
use service::{Caller, Kind, Roles, Scopes};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::{State, docs};

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Me {
    id: Uuid,
    #[schema(value_type = String, example = "user")]
    kind: Kind,
    /// The username, or the service account's name.
    #[schema(example = "ann")]
    name: String,
    email: Option<String>,
    /// Always false: nobody has checked that the address is the user's.
    #[schema(example = false)]
    email_verified: bool,
    /// Absent for operators.
    #[schema(example = "acme-eu")]
    tenant_code: Option<String>,
    #[schema(value_type = Vec<String>, example = json!(["auditor"]))]
    roles: Roles,
    /// Of a service account.
    #[schema(value_type = String, example = "actor:* partition:* action:*")]
    #[serde(skip_serializing_if = "Scopes::is_empty")]
    scope: Scopes,
}

/// Who am I
#[utoipa::path(get, path = "/api/v1/users/me", operation_id = "who_am_i", tag = "users",
    responses((status = 200, body = Me), docs::Denied), security(("bearer" = [])))]
pub(crate) async fn me(
    caller: Caller,
    extract::State(state): extract::State<State>,
) -> Result<Json<Me>> {
    let tenant = caller.tenant.as_ref().map(|tenant| tenant.id);
    let named = match caller.principal.kind {
        Kind::User => sqlx::query!(
            "select username, email from auth.users
             where tenant_id is not distinct from $1 and id = $2",
            tenant,
            caller.principal.id,
        )
        .fetch_optional(state.pool())
        .await?
        .map(|row| (row.username, row.email)),
        Kind::Service | Kind::System => sqlx::query_scalar!(
            "select name from auth.service_accounts where tenant_id = $1 and id = $2",
            tenant,
            caller.principal.id,
        )
        .fetch_optional(state.pool())
        .await?
        .map(|name| (name, None)),
    };
    let (name, email) = named.ok_or_else(|| Error::unauthorized("principal_disabled"))?;
    Ok(Json(Me {
        id: caller.principal.id,
        kind: caller.principal.kind,
        name,
        email,
        email_verified: false,
        tenant_code: caller.tenant.map(|tenant| tenant.code),
        roles: caller.roles,
        scope: caller.scopes,
    }))
}
