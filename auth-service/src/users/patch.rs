//! `PATCH /api/v1/users/{id}`: name, address and roles.

use axum::extract;
use serde::Deserialize;
use service::extract::{Json, Path};
use service::{Caller, Permission, Role, Roles};
use uuid::Uuid;

use super::create::check_roles;
use super::{User, sessions};
use crate::change::role_names;
use crate::client::Client;
use crate::error::{OnConstraint, Result};
use crate::outbox::{self, act::Act};
use crate::rules::Faults;
use crate::{State, docs};

/// Members left out stay as they are.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserPatch)]
pub(crate) struct Patch {
    #[schema(example = "ann@example.com")]
    email: Option<String>,
    #[schema(example = "Ann Example")]
    name: Option<String>,
    #[schema(value_type = Option<Vec<String>>, example = json!(["auditor"]))]
    roles: Option<Roles>,
}

/// Change a user
///
/// Access tokens with the old roles end at once; the next refresh brings the new ones.
#[utoipa::path(patch, path = "/api/v1/users/{id}", operation_id = "update_user", tag = "users", params(("id" = Uuid, Path)), request_body = Patch,
    responses((status = 200, body = User), docs::Denied, docs::Limited, docs::Missing, docs::Malformed, docs::Clash), security(("bearer" = [])))]
pub(crate) async fn patch(
    caller: Caller,
    Path(id): Path<Uuid>,
    extract::State(state): extract::State<State>,
    client: Client,
    Json(patch): Json<Patch>,
) -> Result<Json<User>> {
    let tenant = caller.tenant()?.id;
    let mut change = state.begin(&caller, Permission::ManageUsers).await?;
    patch.check()?;
    if patch
        .roles
        .is_some_and(|roles| !roles.contains(Role::Admin))
    {
        sessions::keep_an_admin(&mut change.tx, tenant, id).await?;
    }
    let before = User::lock(&mut change.tx, tenant, id).await?;
    let roles = patch.roles.map(role_names);
    sqlx::query!(
        "update auth.users set
            email = coalesce($3, email),
            name = coalesce($4, name),
            roles = coalesce($5, roles),
            updated_at = now()
         where tenant_id = $1 and id = $2",
        tenant,
        id,
        patch.email,
        patch.name,
        roles.as_deref(),
    )
    .execute(&mut *change.tx)
    .await
    .on_constraint(
        "users_email_key",
        "email_taken",
        "the e-mail address is taken",
    )?;
    let after = User::by_id(&mut *change.tx, tenant, id).await?;
    if before.roles != after.roles {
        sessions::end_access_tokens(&mut change.tx, id).await?;
    }
    let act = Act::new("user.updated", "update", &change.actor)
        .target("user", id, Some(&before.username))
        .changed("email", &before.email, &after.email)
        .changed("name", &before.name, &after.name)
        .changed("roles", &before.roles, &after.roles)
        .from(&client);
    if act.has_changes() {
        outbox::write(&mut change.tx, tenant, &act).await?;
    }
    state.commit(change.tx).await?;
    state.status_changed().await;
    Ok(Json(after))
}

impl Patch {
    fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        if let Some(email) = &self.email {
            faults.email("/email", email);
        }
        if let Some(name) = &self.name {
            faults.text("/name", name, 200);
        }
        if let Some(roles) = self.roles {
            check_roles("/roles", roles, &mut faults);
        }
        Ok(faults.finish()?)
    }
}
