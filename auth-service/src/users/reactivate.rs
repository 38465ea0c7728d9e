//! `POST /api/v1/users/{id}/reactivate`: lets a deactivated user back in, or a registered one in.

use axum::extract;
use service::extract::{Json, Path};
use service::{Caller, Permission};
use uuid::Uuid;

use super::{Status, User};
use crate::client::Client;
use crate::error::Result;
use crate::outbox::{self, act::Act};
use crate::{State, docs};

/// Let a user in
///
/// For deactivated users, and for registered ones who wait. Tokens and sign-ins from before stay ended. Repeating it changes nothing.
#[utoipa::path(post, path = "/api/v1/users/{id}/reactivate", operation_id = "reactivate_user", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 200, body = User), docs::Denied, docs::Limited, docs::Missing, docs::Malformed), security(("bearer" = [])))]
pub(crate) async fn reactivate(
    caller: Caller,
    Path(id): Path<Uuid>,
    extract::State(state): extract::State<State>,
    client: Client,
) -> Result<Json<User>> {
    let tenant = caller.tenant()?.id;
    let mut change = state.begin(&caller, Permission::ManageUsers).await?;
    let before = User::lock(&mut change.tx, tenant, id).await?;
    if matches!(before.status, Status::Active | Status::Invited) {
        return Ok(Json(before));
    }
    sqlx::query!(
        "update auth.users set
            status = case when password_hash is null then 'invited' else 'active' end,
            deactivated_at = null, updated_at = now()
         where tenant_id = $1 and id = $2",
        tenant,
        id,
    )
    .execute(&mut *change.tx)
    .await?;
    let after = User::by_id(&mut *change.tx, tenant, id).await?;
    let act = Act::new("user.reactivated", "update", &change.actor)
        .target("user", id, Some(&before.username))
        .changed("status", &before.status, &after.status)
        .from(&client);
    outbox::write(&mut change.tx, tenant, &act).await?;
    state.commit(change.tx).await?;
    state.status_changed().await;
    Ok(Json(after))
}
