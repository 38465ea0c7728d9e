//! `POST /api/v1/tenants/{code}/admins`: an operator's only way to make or reset a user: freely before the tenant's first admin has
//! accepted, afterwards with a break-glass grant that this uses up.

use axum::extract;
use axum::http::StatusCode;
use serde::Serialize;
use service::extract::{Json, Path};
use service::{Caller, Permission};
use sqlx::PgConnection;
use uuid::Uuid;

use super::create::Admin;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::outbox::{
    self,
    act::{Act, Actor},
};
use crate::rules::{self, Faults};
use crate::users::create::{NewUser, insert};
use crate::users::invites::{self, Invite, Issuer};
use crate::users::{User, sessions};
use crate::{State, docs};

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = InvitedAdmin)]
pub(crate) struct Invited {
    user: User,
    invite: Invite,
}

/// Make or reset an admin
///
/// A user of that name becomes an admin again and gets a one-time link; otherwise a new one is made. Once the tenant's first admin has accepted, this takes a break-glass grant: 403 `break_glass_needed`.
#[utoipa::path(post, path = "/api/v1/tenants/{code}/admins", operation_id = "create_or_reset_admin", tag = "tenants", params(("code" = String, Path, example = "demo")), request_body = Admin,
    responses((status = 201, body = Invited), docs::Denied, docs::Limited, docs::Missing, docs::Malformed, docs::Clash), security(("bearer" = [])))]
pub(crate) async fn admins(
    caller: Caller,
    Path(code): Path<String>,
    extract::State(state): extract::State<State>,
    client: Client,
    Json(admin): Json<Admin>,
) -> Result<(StatusCode, Json<Invited>)> {
    let mut change = state.begin(&caller, Permission::ManageTenants).await?;
    let new = admin.into_user();
    let mut faults = Faults::default();
    new.check("", &mut faults);
    faults.finish()?;
    let tenant = lock(&mut change.tx, &code).await?;
    let grant = if tenant.accepted {
        Some(use_grant(&mut change.tx, tenant.id, caller.principal.id).await?)
    } else {
        None
    };
    let known = find(&mut change.tx, tenant.id, &new.username).await?;
    let user = match known {
        Some(user) => reset(&mut change.tx, tenant.id, user).await?,
        None => insert(&mut change.tx, tenant.id, &new, None).await?,
    };
    let issuer = match grant {
        None => Issuer::Operator,
        Some(_) => Issuer::BreakGlass,
    };
    let invite = invites::issue(&mut change.tx, &state, tenant.id, &user, &issuer).await?;
    let action = if known.is_some() {
        "user.reset"
    } else {
        "user.invited"
    };
    let act = Act::new(action, "update", &change.actor)
        .target("user", user.id, Some(&user.username))
        .metadata(serde_json::json!({"roles": user.roles, "break_glass": grant}))
        .severity(if grant.is_some() { "critical" } else { "info" })
        .from(&client);
    outbox::write(&mut change.tx, tenant.id, &act).await?;
    state.commit(change.tx).await?;
    state.status_changed().await;
    Ok((StatusCode::CREATED, Json(Invited { user, invite })))
}

struct Locked {
    id: Uuid,
    accepted: bool,
}

/// The lock orders this with the first admin's acceptance.
async fn lock(connection: &mut PgConnection, code: &str) -> Result<Locked> {
    if !rules::is_code(code) {
        return Err(Error::not_found());
    }
    let tenant = sqlx::query!(
        r#"select id, status, first_admin_at is not null as "accepted!"
           from auth.tenants where code = $1 for no key update"#,
        code,
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(Error::not_found)?;
    match tenant.status.as_str() {
        "archived" => Err(Error::forbidden("tenant_archived")),
        _ => Ok(Locked {
            id: tenant.id,
            accepted: tenant.accepted,
        }),
    }
}

/// Uses up the operator's grant for this tenant.
async fn use_grant(connection: &mut PgConnection, tenant: Uuid, operator: Uuid) -> Result<Uuid> {
    sqlx::query_scalar!(
        "update auth.break_glass set used_at = now()
         where tenant_id = $1 and id = (
             select id from auth.break_glass
             where tenant_id = $1 and operator_id = $2
               and granted_at is not null and used_at is null and expires_at > now()
             order by id limit 1 for update)
         returning id",
        tenant,
        operator,
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| Error::forbidden("break_glass_needed"))
}

async fn find(
    connection: &mut PgConnection,
    tenant: Uuid,
    username: &str,
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        r#"select id from auth.users where tenant_id = $1 and lower(username collate "C") = $2"#,
        tenant,
        username.to_ascii_lowercase(),
    )
    .fetch_optional(connection)
    .await
}

/// An admin who has lost his way in. His password and sign-ins end now; what is new comes with the link.
async fn reset(connection: &mut PgConnection, tenant: Uuid, user: Uuid) -> Result<User> {
    sessions::end_all(connection, user).await?;
    sqlx::query!(
        "update auth.users set status = 'invited', password_hash = null, deactivated_at = null, updated_at = now(),
             roles = case when 'admin' = any(roles) then roles else array_append(roles, 'admin') end
         where tenant_id = $1 and id = $2",
        tenant,
        user,
    )
    .execute(&mut *connection)
    .await?;
    User::by_id(connection, tenant, user).await
}

impl NewUser {
    pub(crate) fn invited(&self, actor: &Actor) -> Act {
        Act::new("user.invited", "create", actor)
            .target("user", self.id, Some(&self.username))
            .metadata(serde_json::json!({"roles": self.roles}))
    }
}
