//! `POST /api/v1/users/register`: people make their own account, where the tenant's admins allow it. Always a viewer, never before the
//! tenant has an admin of its own.

use axum::extract;
use axum::http::StatusCode;
use serde::Deserialize;
use service::Role;
use service::extract::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::User;
use super::create::{NewUser, insert_as};
use crate::client::Client;
use crate::delays::{self, Account};
use crate::error::{Error, Result};
use crate::outbox::{
    self,
    act::{Act, Actor},
};
use crate::rules::{self, Faults};
use crate::tenants::Registration;
use crate::{State, docs};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SelfRegistration)]
pub(crate) struct Request {
    #[schema(example = "acme-eu")]
    tenant_code: String,
    #[schema(example = "ann")]
    username: String,
    #[schema(example = "ann@example.com")]
    email: String,
    #[schema(example = "Ann Example")]
    name: Option<String>,
    /// 12 to 128 characters, nothing obvious.
    #[schema(example = "correct horse battery")]
    password: String,
}

/// Register
///
/// The e-mail address is not verified: whoever registers can give any address in an invited domain. Where that matters, let admins
/// approve each registration, or invite people.
///
/// 403 `registration_closed` where the tenant does not take registrations, or not from that e-mail domain, or does not exist.
#[utoipa::path(post, path = "/api/v1/users/register", operation_id = "register", tag = "users", request_body = Request,
    responses((status = 201, body = User), docs::Denied, docs::Malformed, docs::Clash, docs::Delayed), security(()))]
pub(crate) async fn register(
    extract::State(state): extract::State<State>,
    client: Client,
    Json(request): Json<Request>,
) -> Result<(StatusCode, Json<User>)> {
    // Never given back: each account made costs its network one attempt.
    let charge = delays::charge(state.pool(), state.secret(), &client, &Account::None).await?;
    let new = NewUser {
        id: Uuid::now_v7(),
        username: request.username,
        email: Some(request.email),
        name: request.name,
        roles: Role::Viewer.into(),
    };
    let mut faults = Faults::default();
    new.check("", &mut faults);
    faults.password(
        "/password",
        &request.password,
        &new.about(&request.tenant_code),
    );
    faults.finish()?;
    let email = new.email.as_deref().unwrap_or_default();
    open_tenant(state.pool(), &request.tenant_code, email).await?;
    let hash = state
        .hasher()
        .hash(charge.payer(), request.password)
        .await?;
    let mut tx = state.transaction().await?;
    // Hashing takes its time: what holds is what the tenant says now, and until the commit.
    lock_tenant(&mut tx, &request.tenant_code).await?;
    let (tenant, registration) = open_tenant(&mut *tx, &request.tenant_code, email).await?;
    let status = match registration {
        Registration::Open => "active",
        Registration::Approval | Registration::Closed => "pending",
    };
    insert_as(&mut tx, tenant, &new, Some(&hash), status).await?;
    let user = User::by_id(&mut *tx, tenant, new.id).await?;
    let actor = Actor::user(user.id, &user.username);
    let act = Act::new("user.registered", "create", &actor)
        .target("user", user.id, None)
        .metadata(serde_json::json!({"status": status}))
        .from(&client);
    outbox::write(&mut tx, tenant, &act).await?;
    state.commit(tx).await?;
    Ok((StatusCode::CREATED, Json(user)))
}

/// Keeps the tenant as it is until the commit; by a statement of its own, so that the next one reads what a change that was waited for
/// has left.
async fn lock_tenant(connection: &mut PgConnection, code: &str) -> sqlx::Result<()> {
    sqlx::query_scalar!(
        "select id from auth.tenants where code = $1 for share",
        code
    )
    .fetch_optional(connection)
    .await?;
    Ok(())
}

/// The tenant, if somebody with that address may register there.
async fn open_tenant(
    executor: impl PgExecutor<'_>,
    code: &str,
    email: &str,
) -> Result<(Uuid, Registration)> {
    let closed = || Error::forbidden("registration_closed");
    if !rules::is_code(code) {
        return Err(closed());
    }
    let tenant = sqlx::query!(
        "select id, registration, registration_domains from auth.tenants
         where code = $1 and status = 'active' and first_admin_at is not null",
        code,
    )
    .fetch_optional(executor)
    .await?
    .ok_or_else(closed)?;
    let registration = Registration::parse(&tenant.registration);
    let domain = email.rsplit('@').next().unwrap_or_default();
    let domains = tenant.registration_domains;
    let invited = domains.is_empty() || domains.iter().any(|own| own.eq_ignore_ascii_case(domain));
    if registration == Registration::Closed || !invited {
        return Err(closed());
    }
    Ok((tenant.id, registration))
}
