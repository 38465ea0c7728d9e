//! `POST /api/v1/tenants`: a tenant and, where asked, the invitation of its first admin, in one transaction: a name that is taken leaves no orphan.

use axum::extract;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use service::extract::Json;
use service::{Caller, Permission, Role};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Tenant;
use crate::client::Client;
use crate::error::{OnConstraint, Result};
use crate::outbox::{
    self,
    act::{Act, Actor},
};
use crate::rules::Faults;
use crate::users::create::{NewUser, insert};
use crate::users::invites::{self, Invite, Issuer};
use crate::{State, docs};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenant {
    /// 3–15 of a-z, 0-9 and single inner hyphens. Names the tenant's chains for ever: it never changes and is never used again.
    #[schema(
        example = "acme-eu",
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        min_length = 3,
        max_length = 15
    )]
    code: String,
    #[schema(example = "Acme Europe", max_length = 200)]
    name: String,
    /// The first admin, who gets a one-time link.
    admin: Option<Admin>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAdmin)]
pub(crate) struct Admin {
    #[schema(example = "ann")]
    pub(crate) username: String,
    #[schema(example = "ann@example.com")]
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CreatedTenant)]
pub(crate) struct Created {
    #[serde(flatten)]
    tenant: Tenant,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite: Option<Invite>,
}

/// Create a tenant
#[utoipa::path(post, path = "/api/v1/tenants", operation_id = "create_tenant", tag = "tenants", request_body = NewTenant,
    responses((status = 201, body = Created), docs::Denied, docs::Limited, docs::Malformed, docs::Clash), security(("bearer" = [])))]
pub(crate) async fn create(
    caller: Caller,
    extract::State(state): extract::State<State>,
    client: Client,
    Json(new): Json<NewTenant>,
) -> Result<(StatusCode, Json<Created>)> {
    let mut change = state.begin(&caller, Permission::ManageTenants).await?;
    let mut faults = Faults::default();
    faults.code("/code", &new.code);
    faults.text("/name", &new.name, 200);
    let admin = new.admin.map(Admin::into_user);
    if let Some(admin) = &admin {
        admin.check("/admin", &mut faults);
    }
    faults.finish()?;
    let id = Uuid::now_v7();
    insert_tenant(&mut change.tx, id, &new.code, &new.name)
        .await
        .on_constraint(
            "tenants_code_key",
            "code_taken",
            "the code is taken, for ever",
        )?;
    let mut invite = None;
    if let Some(admin) = &admin {
        let user = insert(&mut change.tx, id, admin, None).await?;
        invite = Some(invites::issue(&mut change.tx, &state, id, &user, &Issuer::Operator).await?);
    }
    let act = created(&change.actor, id, &new.code).from(&client);
    outbox::write(&mut change.tx, id, &act).await?;
    if let Some(admin) = &admin {
        let act = admin.invited(&change.actor).from(&client);
        outbox::write(&mut change.tx, id, &act).await?;
    }
    let tenant = super::by_code(&mut *change.tx, &new.code).await?;
    state.commit(change.tx).await?;
    Ok((StatusCode::CREATED, Json(Created { tenant, invite })))
}

pub(crate) async fn insert_tenant(
    connection: &mut PgConnection,
    id: Uuid,
    code: &str,
    name: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into auth.tenants (id, code, name) values ($1, $2, $3)",
        id,
        code,
        name,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) fn created(actor: &Actor, id: Uuid, code: &str) -> Act {
    Act::new("tenant.created", "create", actor).target("tenant", id, Some(code))
}

impl Admin {
    pub(crate) fn into_user(self) -> NewUser {
        NewUser {
            id: Uuid::now_v7(),
            username: self.username,
            email: self.email,
            name: self.name,
            roles: Role::Admin.into(),
        }
    }
}
