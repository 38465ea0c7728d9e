//! `POST /api/v1/users`: a user with a password that the admin hands over. Invitations are the better way; see `invites`.

use axum::extract;
use axum::http::StatusCode;
use serde::Deserialize;
use service::extract::Json;
use service::{Caller, Permission, Role, Roles};
use sqlx::PgConnection;
use uuid::Uuid;

use super::User;
use crate::change::role_names;
use crate::client::Client;
use crate::error::{OnConstraint, Result};
use crate::hashing::Payer;
use crate::outbox::{self, act::Act};
use crate::rules::Faults;
use crate::{State, docs};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
pub(crate) struct Request {
    #[schema(example = "ann")]
    username: String,
    #[schema(example = "ann@example.com")]
    email: Option<String>,
    #[schema(example = "Ann Example")]
    name: Option<String>,
    #[schema(value_type = Vec<String>, example = json!(["auditor"]))]
    roles: Roles,
    /// 12 to 128 characters, nothing obvious.
    #[schema(example = "correct horse battery")]
    password: String,
}

/// A user to be, with an id of its own.
pub(crate) struct NewUser {
    pub(crate) id: Uuid,
    pub(crate) username: String,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) roles: Roles,
}

/// Create a user
#[utoipa::path(post, path = "/api/v1/users", operation_id = "create_user", tag = "users", request_body = Request,
    responses((status = 201, body = User), docs::Denied, docs::Limited, docs::Malformed, docs::Clash), security(("bearer" = [])))]
pub(crate) async fn create(
    caller: Caller,
    extract::State(state): extract::State<State>,
    client: Client,
    Json(request): Json<Request>,
) -> Result<(StatusCode, Json<User>)> {
    let tenant = caller.tenant()?.clone();
    state.admit(&caller, Permission::ManageUsers).await?;
    let new = NewUser {
        id: Uuid::now_v7(),
        username: request.username,
        email: request.email,
        name: request.name,
        roles: request.roles,
    };
    let mut faults = Faults::default();
    new.check("", &mut faults);
    faults.password("/password", &request.password, &new.about(&tenant.code));
    faults.finish()?;
    let payer = Payer {
        account: Some(caller.principal.id.as_bytes().to_vec()),
        network: None,
    };
    // Hashed before the transaction: no lock waits for it.
    let hash = state.hasher().hash(&payer, request.password).await?;
    let mut change = state.open(&caller, Permission::ManageUsers).await?;
    let user = insert(&mut change.tx, tenant.id, &new, Some(&hash)).await?;
    let act = Act::new("user.created", "create", &change.actor)
        .target("user", user.id, Some(&user.username))
        .metadata(serde_json::json!({"roles": user.roles}))
        .from(&client);
    outbox::write(&mut change.tx, tenant.id, &act).await?;
    state.commit(change.tx).await?;
    Ok((StatusCode::CREATED, Json(user)))
}

impl NewUser {
    pub(crate) fn check(&self, prefix: &str, faults: &mut Faults) {
        faults.username(&format!("{prefix}/username"), &self.username);
        if let Some(email) = &self.email {
            faults.email(&format!("{prefix}/email"), email);
        }
        if let Some(name) = &self.name {
            faults.text(&format!("{prefix}/name"), name, 200);
        }
        check_roles(&format!("{prefix}/roles"), self.roles, faults);
    }

    /// What a password must not be made of.
    pub(crate) fn about<'a>(&'a self, code: &'a str) -> Vec<&'a str> {
        let email = self.email.as_deref();
        let local = email.and_then(|email| email.split('@').next());
        [
            Some(code),
            Some(&*self.username),
            email,
            local,
            self.name.as_deref(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// At least one, and none that belongs to no tenant.
pub(crate) fn check_roles(path: &str, roles: Roles, faults: &mut Faults) {
    if roles.is_empty() {
        faults.add(path, "must have a role");
    } else if roles.contains(Role::Operator) {
        faults.add(path, "an operator belongs to no tenant");
    }
}

/// Inserts a tenant's user: active with a password, invited without. 409 where name or address is taken, in whatever case.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    tenant: Uuid,
    new: &NewUser,
    password_hash: Option<&str>,
) -> Result<User> {
    let status = if password_hash.is_some() {
        "active"
    } else {
        "invited"
    };
    insert_as(&mut *connection, tenant, new, password_hash, status).await?;
    User::by_id(connection, tenant, new.id).await
}

pub(crate) async fn insert_as(
    connection: &mut PgConnection,
    tenant: Uuid,
    new: &NewUser,
    password_hash: Option<&str>,
    status: &str,
) -> Result<()> {
    sqlx::query!(
        "insert into auth.users (id, tenant_id, username, email, name, roles, status, password_hash)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.id,
        tenant,
        new.username,
        new.email,
        new.name,
        &role_names(new.roles),
        status,
        password_hash,
    )
    .execute(connection)
    .await
    .on_constraint(
        "users_username_key",
        "username_taken",
        "the username is taken",
    )
    .on_constraint(
        "users_email_key",
        "email_taken",
        "the e-mail address is taken",
    )?;
    Ok(())
}
