//! `PATCH /api/v1/service-accounts/{id}`: name, role and scopes.

use axum::extract;
use serde::Deserialize;
use service::extract::{Json, Path};
use service::{Caller, Permission};
use uuid::Uuid;

use super::{AccountRole, ServiceAccount};
use crate::client::Client;
use crate::error::{OnConstraint, Result};
use crate::outbox::{self, act::Act};
use crate::rules::Faults;
use crate::{State, docs};

/// Members left out stay as they are.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ServiceAccountPatch)]
pub(crate) struct Patch {
    #[schema(example = "billing")]
    name: Option<String>,
    role: Option<AccountRole>,
    #[schema(example = json!(["actor:user", "partition:billing", "action:invoice"]))]
    scopes: Option<Vec<String>>,
}

/// Change a service account
///
/// Tokens with the old role or scopes end at once; its keys go on.
#[utoipa::path(patch, path = "/api/v1/service-accounts/{id}", operation_id = "update_service_account", tag = "service accounts", params(("id" = Uuid, Path)), request_body = Patch,
    responses((status = 200, body = ServiceAccount), docs::Denied, docs::Limited, docs::Missing, docs::Malformed, docs::Clash), security(("bearer" = [])))]
pub(crate) async fn patch(
    caller: Caller,
    Path(id): Path<Uuid>,
    extract::State(state): extract::State<State>,
    client: Client,
    Json(patch): Json<Patch>,
) -> Result<Json<ServiceAccount>> {
    let tenant = caller.tenant()?.id;
    let mut change = state.begin(&caller, Permission::ManageUsers).await?;
    let mut faults = Faults::default();
    if let Some(name) = &patch.name {
        faults.text("/name", name, 100);
    }
    let asked = patch.scopes.as_deref();
    let scopes = asked.map(|asked| super::scopes("/scopes", Some(asked), &mut faults));
    faults.finish()?;
    let before = ServiceAccount::lock_active(&mut change.tx, tenant, id).await?;
    sqlx::query!(
        "update auth.service_accounts set
            name = coalesce($3, name),
            role = coalesce($4, role),
            scopes = coalesce($5, scopes),
            not_before = case when role = coalesce($4, role) and scopes = coalesce($5, scopes) then not_before
                else greatest(date_trunc('second', clock_timestamp()) + interval '1 second', not_before + interval '1 second') end,
            updated_at = now()
         where tenant_id = $1 and id = $2",
        tenant,
        id,
        patch.name,
        patch.role.map(AccountRole::as_str),
        scopes,
    )
    .execute(&mut *change.tx)
    .await
    .on_constraint("service_accounts_name_key", "name_taken", "the name is taken")?;
    let after = ServiceAccount::by_id(&mut *change.tx, tenant, id).await?;
    let act = Act::new("service_account.updated", "update", &change.actor)
        .target("service_account", id, Some(&before.name))
        .changed("name", &before.name, &after.name)
        .changed("role", &before.role, &after.role)
        .changed("scopes", &before.scopes, &after.scopes)
        .from(&client);
    if act.has_changes() {
        outbox::write(&mut change.tx, tenant, &act).await?;
    }
    state.commit(change.tx).await?;
    state.status_changed().await;
    Ok(Json(after))
}
