//! `DELETE /api/v1/service-accounts/{id}`: out for good, with its keys. The row stays, since entries name it.

use axum::extract;
use axum::http::StatusCode;
use service::extract::Path;
use service::{Caller, Permission};
use uuid::Uuid;

use super::ServiceAccount;
use crate::client::Client;
use crate::error::Result;
use crate::outbox::{self, act::Act};
use crate::{State, docs};

/// Delete a service account
///
/// Ends its keys and tokens at once, for good. Repeating it changes nothing.
#[utoipa::path(delete, path = "/api/v1/service-accounts/{id}", operation_id = "delete_service_account", tag = "service accounts", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Deleted"), docs::Denied, docs::Limited, docs::Missing, docs::Malformed), security(("bearer" = [])))]
pub(crate) async fn delete(
    caller: Caller,
    Path(id): Path<Uuid>,
    extract::State(state): extract::State<State>,
    client: Client,
) -> Result<StatusCode> {
    let tenant = caller.tenant()?.id;
    let mut change = state.begin(&caller, Permission::ManageUsers).await?;
    let account = ServiceAccount::by_id(&mut *change.tx, tenant, id).await?;
    // The name becomes free; it was only for people, and entries name the id.
    let deleted = sqlx::query!(
        "update auth.service_accounts
         set deactivated_at = now(), updated_at = now(), name = name || ' (' || id::text || ')'
         where tenant_id = $1 and id = $2 and deactivated_at is null",
        tenant,
        id,
    )
    .execute(&mut *change.tx)
    .await?;
    if deleted.rows_affected() == 0 {
        return Ok(StatusCode::NO_CONTENT);
    }
    sqlx::query!(
        "update auth.api_keys set revoked_at = now()
         where tenant_id = $1 and service_account_id = $2 and revoked_at is null",
        tenant,
        id,
    )
    .execute(&mut *change.tx)
    .await?;
    let act = Act::new("service_account.deleted", "delete", &change.actor)
        .target("service_account", id, Some(&account.name))
        .from(&client);
    outbox::write(&mut change.tx, tenant, &act).await?;
    state.commit(change.tx).await?;
    state.status_changed().await;
    Ok(StatusCode::NO_CONTENT)
}
