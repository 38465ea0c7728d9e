//! `POST /api/v1/users/me/password`: a new password for an old one, of tenants' users and operators. Ends every sign-in.

use axum::extract;
use axum::http::StatusCode;
use serde::Deserialize;
use service::extract::Json;
use service::{Caller, Kind};

use super::sessions;
use crate::client::Client;
use crate::delays::{self, Account};
use crate::error::{Error, Result};
use crate::outbox::{
    self,
    act::{Act, Actor},
};
use crate::rules::Faults;
use crate::{State, docs};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasswordChange)]
pub(crate) struct Change {
    current_password: String,
    /// 12 to 128 characters, nothing obvious.
    #[schema(example = "correct horse battery")]
    new_password: String,
}

/// Change one's password
///
/// 403 `wrong_password` where the current one is not right. Everybody signed in as this user has to sign in again.
#[utoipa::path(post, path = "/api/v1/users/me/password", operation_id = "change_password", tag = "users", request_body = Change,
    responses((status = 204, description = "Changed"), docs::Denied, docs::Malformed, docs::Delayed), security(("bearer" = [])))]
pub(crate) async fn password(
    caller: Caller,
    extract::State(state): extract::State<State>,
    client: Client,
    Json(change): Json<Change>,
) -> Result<StatusCode> {
    if caller.principal.kind != Kind::User {
        return Err(Error::forbidden("forbidden"));
    }
    state.access().admit_change(&caller)?;
    state.count_change(&caller).await?;
    let id = caller.principal.id;
    let tenant = caller.tenant.as_ref();
    let user = sqlx::query!(
        "select username, email, password_hash from auth.users
         where tenant_id is not distinct from $1 and id = $2 and status = 'active'",
        tenant.map(|tenant| tenant.id),
        id,
    )
    .fetch_optional(state.pool())
    .await?
    .ok_or_else(|| Error::unauthorized("principal_disabled"))?;
    let mut faults = Faults::default();
    let code = tenant.map_or("operator", |tenant| &tenant.code);
    let email = user.email.as_deref().unwrap_or_default();
    faults.password(
        "/new_password",
        &change.new_password,
        &[code, &user.username, email],
    );
    faults.finish()?;
    let account = Account::PasswordChange { id };
    let charge = delays::charge(state.pool(), state.secret(), &client, &account).await?;
    let current = change.current_password;
    if !state
        .hasher()
        .verify(charge.payer(), current, user.password_hash.clone())
        .await?
    {
        return Err(Error::forbidden("wrong_password"));
    }
    let hash = state
        .hasher()
        .hash(charge.payer(), change.new_password)
        .await?;
    let mut tx = state.transaction().await?;
    let changed = sqlx::query!(
        "update auth.users set password_hash = $4, updated_at = now()
         where tenant_id is not distinct from $1 and id = $2 and status = 'active'
           and password_hash is not distinct from $3",
        tenant.map(|tenant| tenant.id),
        id,
        user.password_hash,
        hash,
    )
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(Error::forbidden("wrong_password"));
    }
    sessions::end_all(&mut tx, id).await?;
    if let Some(tenant) = tenant {
        let actor = Actor::user(id, &user.username);
        let act = Act::new("user.password_changed", "update", &actor)
            .target("user", id, None)
            .from(&client);
        outbox::write(&mut tx, tenant.id, &act).await?;
    }
    state.commit(tx).await?;
    state.status_changed().await;
    delays::refund(state.pool(), charge).await?;
    Ok(StatusCode::NO_CONTENT)
}
