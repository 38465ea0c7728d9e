//! `POST /api/v1/service-accounts`.

use axum::extract;
use axum::http::StatusCode;
use serde::Deserialize;
use service::extract::Json;
use service::{Caller, Permission};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{AccountRole, ServiceAccount};
use crate::client::Client;
use crate::error::{OnConstraint, Result};
use crate::outbox::{
    self,
    act::{Act, Actor},
};
use crate::rules::Faults;
use crate::{State, docs};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewServiceAccount)]
pub(crate) struct Request {
    /// Unique in the tenant, in whatever case.
    #[schema(example = "billing", max_length = 100)]
    name: String,
    #[serde(default)]
    role: AccountRole,
    /// `actor:TYPE`, `partition:NAME`, `action:PREFIX`, each with `*` for any, and `partitions:create`. Left out: `actor:* partition:* action:*`.
    #[schema(example = json!(["actor:user", "partition:billing", "action:invoice"]))]
    scopes: Option<Vec<String>>,
}

/// A service account to be.
pub(crate) struct NewAccount<'a> {
    pub(crate) id: Uuid,
    pub(crate) name: &'a str,
    pub(crate) role: AccountRole,
    pub(crate) scopes: &'a str,
}

/// Create a service account
///
/// It has no key yet: make one at `…/api-keys`.
#[utoipa::path(post, path = "/api/v1/service-accounts", operation_id = "create_service_account", tag = "service accounts", request_body = Request,
    responses((status = 201, body = ServiceAccount), docs::Denied, docs::Limited, docs::Malformed, docs::Clash), security(("bearer" = [])))]
pub(crate) async fn create(
    caller: Caller,
    extract::State(state): extract::State<State>,
    client: Client,
    Json(request): Json<Request>,
) -> Result<(StatusCode, Json<ServiceAccount>)> {
    let tenant = caller.tenant()?.id;
    let mut change = state.begin(&caller, Permission::ManageUsers).await?;
    let mut faults = Faults::default();
    faults.text("/name", &request.name, 100);
    let scopes = super::scopes("/scopes", request.scopes.as_deref(), &mut faults);
    faults.finish()?;
    let new = NewAccount {
        id: Uuid::now_v7(),
        name: &request.name,
        role: request.role,
        scopes: &scopes,
    };
    insert(&mut change.tx, tenant, &new).await?;
    let account = ServiceAccount::by_id(&mut *change.tx, tenant, new.id).await?;
    let act = new.created(&change.actor).from(&client);
    outbox::write(&mut change.tx, tenant, &act).await?;
    state.commit(change.tx).await?;
    Ok((StatusCode::CREATED, Json(account)))
}

pub(crate) async fn insert(
    connection: &mut PgConnection,
    tenant: Uuid,
    new: &NewAccount<'_>,
) -> Result<()> {
    sqlx::query!(
        "insert into auth.service_accounts (id, tenant_id, name, role, scopes)
         values ($1, $2, $3, $4, $5)",
        new.id,
        tenant,
        new.name,
        new.role.as_str(),
        new.scopes,
    )
    .execute(connection)
    .await
    .on_constraint(
        "service_accounts_name_key",
        "name_taken",
        "the name is taken",
    )?;
    Ok(())
}

impl NewAccount<'_> {
    pub(crate) fn created(&self, actor: &Actor) -> Act {
        Act::new("service_account.created", "create", actor)
            .target("service_account", self.id, Some(self.name))
            .metadata(serde_json::json!({"role": self.role, "scopes": self.scopes}))
    }
}
