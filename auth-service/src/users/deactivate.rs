//! `POST /api/v1/users/{id}/deactivate`: out at once, everywhere; the account stays, since entries name it.

use axum::extract;
use service::extract::{Json, Path};
use service::{Caller, Permission};
use uuid::Uuid;

use super::{Status, User, sessions};
use crate::client::Client;
use crate::error::Result;
use crate::outbox::{self, act::Act};
use crate::{State, docs};

/// Deactivate a user
///
/// Ends his sign-ins, tokens and links. Repeating it changes nothing.
#[utoipa::path(post, path = "/api/v1/users/{id}/deactivate", operation_id = "deactivate_user", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 200, body = User), docs::Denied, docs::Limited, docs::Missing, docs::Malformed, docs::Clash), security(("bearer" = [])))]
pub(crate) async fn deactivate(
    caller: Caller,
    Path(id): Path<Uuid>,
    extract::State(state): extract::State<State>,
    client: Client,
) -> Result<Json<User>> {
    let tenant = caller.tenant()?.id;
    let mut change = state.begin(&caller, Permission::ManageUsers).await?;
    sessions::keep_an_admin(&mut change.tx, tenant, id).await?;
    let before = User::lock(&mut change.tx, tenant, id).await?;
    if before.status == Status::Deactivated {
        return Ok(Json(before));
    }
    sqlx::query!(
        "update auth.users set status = 'deactivated', deactivated_at = now(), updated_at = now()
         where tenant_id = $1 and id = $2",
        tenant,
        id,
    )
    .execute(&mut *change.tx)
    .await?;
    sessions::end_all(&mut change.tx, id).await?;
    sqlx::query!(
        "delete from auth.invites where tenant_id = $1 and user_id = $2",
        tenant,
        id,
    )
    .execute(&mut *change.tx)
    .await?;
    let after = User::by_id(&mut *change.tx, tenant, id).await?;
    let act = Act::new("user.deactivated", "update", &change.actor)
        .target("user", id, Some(&before.username))
        .from(&client);
    outbox::write(&mut change.tx, tenant, &act).await?;
    state.commit(change.tx).await?;
    state.status_changed().await;
    Ok(Json(after))
}
