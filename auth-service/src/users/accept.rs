//! `POST /api/v1/users/invites/accept`: sets a password with a one-time token. The token is the credential.

use axum::extract;
use serde::{Deserialize, Serialize};
use service::extract::Json;
use service::{ApiError, Role};
use sqlx::PgConnection;
use uuid::Uuid;

use super::create::NewUser;
use super::{User, invites, sessions};
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
#[schema(as = InviteAcceptance)]
pub(crate) struct Acceptance {
    #[schema(example = "vti_3q2-7wQm0hY0Xq9mJc8pJm4h5uVb1oXw2k6e0T9aZsE")]
    token: String,
    /// 12 to 128 characters, nothing obvious.
    #[schema(example = "correct horse battery")]
    password: String,
}

/// What to sign in with from now on.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = AcceptedInvite)]
pub(crate) struct Accepted {
    #[schema(example = "acme-eu")]
    tenant_code: String,
    #[schema(example = "ann")]
    username: String,
}

struct Found {
    tenant_id: Uuid,
    user_id: Uuid,
    code: String,
    tenant_status: String,
}

/// Set a password with a one-time link
///
/// 401 `invalid_invite` for a token that is used, replaced, expired or not ours.
#[utoipa::path(post, path = "/api/v1/users/invites/accept", operation_id = "accept_invite", tag = "users", request_body = Acceptance,
    responses((status = 200, body = Accepted), docs::Denied, docs::Malformed, docs::Delayed), security(()))]
pub(crate) async fn accept(
    extract::State(state): extract::State<State>,
    client: Client,
    Json(acceptance): Json<Acceptance>,
) -> Result<Json<Accepted>> {
    let charge = delays::charge(state.pool(), state.secret(), &client, &Account::None).await?;
    let digest = invites::digest(&acceptance.token);
    let found = find(&state, &digest).await?.ok_or_else(invalid)?;
    in_order(&found.tenant_status)?;
    let user = User::by_id(state.pool(), found.tenant_id, found.user_id).await?;
    check(&user, &found.code, &acceptance.password)?;
    let hash = state
        .hasher()
        .hash(charge.payer(), acceptance.password)
        .await?;
    let mut tx = state.transaction().await?;
    // The tenant first: an operator who makes an admin waits here, and then sees that one has accepted; one who suspends it waits too,
    // or has done so while the password was hashed.
    let tenant = lock_tenant(&mut tx, found.tenant_id).await?;
    in_order(&tenant.status)?;
    let user = User::lock(&mut tx, found.tenant_id, found.user_id).await?;
    if !take(&mut tx, &digest).await? {
        return Err(invalid());
    }
    let first = tenant.without_admin && user.roles.contains(Role::Admin);
    sessions::end_all(&mut tx, user.id).await?;
    activate(&mut tx, &found, &hash).await?;
    if first {
        first_admin(&mut tx, found.tenant_id).await?;
    }
    let actor = Actor::user(user.id, &user.username);
    let act = Act::new("user.password_set", "update", &actor)
        .target("user", user.id, None)
        .metadata(serde_json::json!({"first_admin": first}))
        .from(&client);
    outbox::write(&mut tx, found.tenant_id, &act).await?;
    state.commit(tx).await?;
    state.status_changed().await;
    delays::refund(state.pool(), charge).await?;
    Ok(Json(Accepted {
        tenant_code: found.code,
        username: user.username,
    }))
}

fn invalid() -> Error {
    Error(ApiError::Unauthorized {
        code: "invalid_invite",
    })
}

async fn find(state: &State, digest: &[u8]) -> sqlx::Result<Option<Found>> {
    sqlx::query_as!(
        Found,
        "select i.tenant_id, i.user_id, t.code, t.status as tenant_status
         from auth.invites i
         join auth.tenants t on t.id = i.tenant_id
         join auth.users u on u.tenant_id = i.tenant_id and u.id = i.user_id
         where i.token_sha256 = $1 and i.expires_at > now() and u.status in ('invited', 'active')",
        digest,
    )
    .fetch_optional(state.pool())
    .await
}

fn check(user: &User, code: &str, password: &str) -> Result<()> {
    let known = NewUser {
        id: user.id,
        username: user.username.clone(),
        email: user.email.clone(),
        name: user.name.clone(),
        roles: user.roles,
    };
    let mut faults = Faults::default();
    faults.password("/password", password, &known.about(code));
    Ok(faults.finish()?)
}

fn in_order(tenant_status: &str) -> Result<()> {
    match tenant_status {
        "suspended" => Err(Error::forbidden("tenant_suspended")),
        "archived" => Err(Error::forbidden("tenant_archived")),
        _ => Ok(()),
    }
}

struct LockedTenant {
    status: String,
    /// No admin has accepted yet.
    without_admin: bool,
}

/// Locked, so that it stays as it is until the commit.
async fn lock_tenant(connection: &mut PgConnection, tenant: Uuid) -> sqlx::Result<LockedTenant> {
    sqlx::query_as!(
        LockedTenant,
        r#"select status, first_admin_at is null as "without_admin!" from auth.tenants where id = $1 for no key update"#,
        tenant,
    )
    .fetch_one(connection)
    .await
}

/// Uses the token up: of two at once one finds it gone.
async fn take(connection: &mut PgConnection, digest: &[u8]) -> sqlx::Result<bool> {
    let taken = sqlx::query!(
        "delete from auth.invites where token_sha256 = $1 and expires_at > now()",
        digest,
    )
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() == 1)
}

async fn activate(connection: &mut PgConnection, found: &Found, hash: &str) -> Result<()> {
    let activated = sqlx::query!(
        "update auth.users set status = 'active', password_hash = $3, updated_at = now()
         where tenant_id = $1 and id = $2 and status in ('invited', 'active')",
        found.tenant_id,
        found.user_id,
        hash,
    )
    .execute(connection)
    .await?;
    if activated.rows_affected() == 0 {
        return Err(invalid());
    }
    Ok(())
}

/// From here on the tenant is its own: operators' other invitations end.
pub(crate) async fn first_admin(connection: &mut PgConnection, tenant: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "update auth.tenants set first_admin_at = now() where id = $1 and first_admin_at is null",
        tenant,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "delete from auth.invites where tenant_id = $1 and by_operator",
        tenant,
    )
    .execute(connection)
    .await?;
    Ok(())
}
