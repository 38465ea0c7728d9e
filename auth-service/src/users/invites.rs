//! Invitations: a one-time token with which somebody sets a password. Only its SHA-256 is stored, and a new one replaces the old.

use axum::extract;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use service::extract::{Json, Path};
use service::{Caller, Permission, Roles};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::create::{NewUser, insert};
use super::{Status, User};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::outbox::{self, act::Act};
use crate::rules::Faults;
use crate::secret::random;
use crate::tenants::break_glass::GRANT_SECONDS;
use crate::{State, docs};

const INVITE_SECONDS: f64 = 72.0 * 3600.0;

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Invite {
    /// Shown this once.
    #[schema(example = "vti_3q2-7wQm0hY0Xq9mJc8pJm4h5uVb1oXw2k6e0T9aZsE")]
    token: String,
    /// Where the token is used, with it as the fragment; absent where no page is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: OffsetDateTime,
}

/// Who stands behind an invitation.
pub(crate) enum Issuer {
    Admin,
    /// Ends when the tenant's first admin accepts.
    Operator,
    BreakGlass,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Invitation)]
pub(crate) struct Request {
    #[schema(example = "ann")]
    username: String,
    #[schema(example = "ann@example.com")]
    email: Option<String>,
    #[schema(example = "Ann Example")]
    name: Option<String>,
    #[schema(value_type = Vec<String>, example = json!(["auditor"]))]
    roles: Roles,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = InvitedUser)]
pub(crate) struct Invited {
    user: User,
    invite: Invite,
}

/// Invite a user
///
/// Makes the user and a one-time link with which he sets a password, good for 72 hours.
#[utoipa::path(post, path = "/api/v1/users/invites", operation_id = "invite_user", tag = "users", request_body = Request,
    responses((status = 201, body = Invited), docs::Denied, docs::Limited, docs::Malformed, docs::Clash), security(("bearer" = [])))]
pub(crate) async fn invite(
    caller: Caller,
    extract::State(state): extract::State<State>,
    client: Client,
    Json(request): Json<Request>,
) -> Result<(StatusCode, Json<Invited>)> {
    let tenant = caller.tenant()?.id;
    let mut change = state.begin(&caller, Permission::ManageUsers).await?;
    let new = NewUser {
        id: Uuid::now_v7(),
        username: request.username,
        email: request.email,
        name: request.name,
        roles: request.roles,
    };
    let mut faults = Faults::default();
    new.check("", &mut faults);
    faults.finish()?;
    let user = insert(&mut change.tx, tenant, &new, None).await?;
    let invite = issue(&mut change.tx, &state, tenant, &user, &Issuer::Admin).await?;
    let act = new.invited(&change.actor).from(&client);
    outbox::write(&mut change.tx, tenant, &act).await?;
    state.commit(change.tx).await?;
    Ok((StatusCode::CREATED, Json(Invited { user, invite })))
}

/// Give a user a new link
///
/// For somebody who lost his link or his password. An old link ends; an old password ends when the new one is set.
#[utoipa::path(post, path = "/api/v1/users/{id}/invites", operation_id = "invite_user_again", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 201, body = Invited), docs::Denied, docs::Limited, docs::Missing, docs::Clash, docs::Malformed), security(("bearer" = [])))]
pub(crate) async fn invite_again(
    caller: Caller,
    Path(id): Path<Uuid>,
    extract::State(state): extract::State<State>,
    client: Client,
) -> Result<(StatusCode, Json<Invited>)> {
    let tenant = caller.tenant()?.id;
    let mut change = state.begin(&caller, Permission::ManageUsers).await?;
    let user = User::lock(&mut change.tx, tenant, id).await?;
    if !matches!(user.status, Status::Active | Status::Invited) {
        return Err(Error::conflict("not_active", "the user is not active"));
    }
    let invite = issue(&mut change.tx, &state, tenant, &user, &Issuer::Admin).await?;
    let act = Act::new("user.invited", "update", &change.actor)
        .target("user", user.id, Some(&user.username))
        .from(&client);
    outbox::write(&mut change.tx, tenant, &act).await?;
    state.commit(change.tx).await?;
    Ok((StatusCode::CREATED, Json(Invited { user, invite })))
}

/// Makes the user's link, in place of one that is there.
pub(crate) async fn issue(
    connection: &mut PgConnection,
    state: &State,
    tenant: Uuid,
    user: &User,
    issuer: &Issuer,
) -> Result<Invite> {
    let token = format!("vti_{}", URL_SAFE_NO_PAD.encode(random::<32>()));
    let seconds = match issuer {
        Issuer::BreakGlass => GRANT_SECONDS,
        Issuer::Admin | Issuer::Operator => INVITE_SECONDS,
    };
    let digest = digest(&token);
    let expires_at = sqlx::query_scalar!(
        "insert into auth.invites (tenant_id, user_id, token_sha256, by_operator, expires_at)
         values ($1, $2, $3, $4, now() + make_interval(secs => $5))
         on conflict (tenant_id, user_id) do update
         set token_sha256 = excluded.token_sha256, by_operator = excluded.by_operator,
             expires_at = excluded.expires_at, created_at = now()
         returning expires_at",
        tenant,
        user.id,
        digest.as_slice(),
        matches!(issuer, Issuer::Operator),
        seconds,
    )
    .fetch_one(connection)
    .await?;
    let url = state.invite_url().map(|url| {
        let mut url = url.clone();
        url.set_fragment(Some(&token));
        url.into()
    });
    Ok(Invite {
        token,
        url,
        expires_at,
    })
}

pub(crate) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
