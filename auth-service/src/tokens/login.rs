//! `POST /api/v1/auth/token`: name and password for tokens. Takes the same steps for a name nobody has as for a wrong password.

use axum::extract;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use serde::Deserialize;
use service::extract::Json;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Tokens;
use super::issue::Account;
use crate::client::Client;
use crate::delays::{self, Charge};
use crate::error::{Error, Result};
use crate::outbox::{
    self,
    act::{Act, Actor},
};
use crate::{State, docs, rules};

/// Networks that are remembered for a user.
const KNOWN_NETWORKS: i64 = 20;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// Left out by operators.
    #[schema(example = "demo")]
    tenant_code: Option<String>,
    /// The username or the e-mail address, in either case.
    #[schema(example = "admin")]
    username: String,
    password: String,
}

/// A user as found by name.
struct Found {
    id: Uuid,
    username: String,
    roles: Vec<String>,
    status: String,
    password_hash: Option<String>,
    not_before: Option<OffsetDateTime>,
    tenant_id: Option<Uuid>,
    code: Option<String>,
    access_token_seconds: Option<i32>,
    refresh_token_seconds: Option<i32>,
    known_network: bool,
}

/// Sign in
///
/// Failed attempts are delayed, per account and per network, and never lock anybody out.
#[utoipa::path(post, path = "/api/v1/auth/token", operation_id = "sign_in", tag = "tokens", request_body = Login,
    responses((status = 200, body = Tokens), docs::Denied, docs::Malformed, docs::Delayed), security(()))]
pub(crate) async fn login(
    extract::State(state): extract::State<State>,
    client: Client,
    Json(login): Json<Login>,
) -> Result<impl IntoResponse> {
    let tenant = login.tenant_code.as_deref().unwrap_or("");
    let found = find(&state, &client, &login).await?;
    let account = delays::Account::Name {
        tenant,
        name: &login.username,
        known_network: found.as_ref().is_some_and(|found| found.known_network),
    };
    let charge = delays::charge(state.pool(), state.secret(), &client, &account).await?;
    let typed = delays::account_key(state.secret(), &account);
    let hash = found.as_ref().and_then(|found| found.password_hash.clone());
    let verified = state
        .hasher()
        .verify(charge.payer(), login.password, hash.clone());
    let right = verified.await?;
    let tokens = match found {
        Some(found) if right && found.status == "active" => {
            succeed(&state, &client, charge, found, hash).await?
        }
        Some(found) if right && found.status == "pending" => {
            return Err(Error::forbidden("approval_pending"));
        }
        found => {
            let user = found.map(|found| (found.tenant_id, found.id));
            super::failures::count(state.pool(), &typed, user, &client).await?;
            return Err(Error::unauthorized("invalid_credentials"));
        }
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(tokens)))
}

/// The user with that name in that tenant. What cannot be a name is not asked for, but costs the same afterwards.
async fn find(state: &State, client: &Client, login: &Login) -> Result<Option<Found>> {
    let name = login.username.to_ascii_lowercase();
    let code = login.tenant_code.as_deref();
    let askable =
        (rules::is_username(&name) || rules::is_email(&name)) && code.is_none_or(rules::is_code);
    if !askable {
        return Ok(None);
    }
    let network = delays::network_key(state.secret(), client);
    let found = match code {
        Some(code) => find_user(state, code, &name, network.as_deref()).await?,
        None => find_operator(state, &name, network.as_deref()).await?,
    };
    Ok(found)
}

async fn find_user(
    state: &State,
    code: &str,
    name: &str,
    network: Option<&[u8]>,
) -> sqlx::Result<Option<Found>> {
    sqlx::query_as!(
        Found,
        r#"select u.id, u.username, u.roles, u.status, u.password_hash, u.not_before,
                  t.id as "tenant_id?", t.code as "code?",
                  t.access_token_seconds as "access_token_seconds?",
                  t.refresh_token_seconds as "refresh_token_seconds?",
                  exists (select from auth.known_addresses k
                          where k.user_id = u.id and k.address = $3) as "known_network!"
           from auth.tenants t join auth.users u on u.tenant_id = t.id
           where t.code = $1
             and (lower(u.username collate "C") = $2 or lower(u.email collate "C") = $2)"#,
        code,
        name,
        network,
    )
    .fetch_optional(state.pool())
    .await
}

async fn find_operator(
    state: &State,
    name: &str,
    network: Option<&[u8]>,
) -> sqlx::Result<Option<Found>> {
    sqlx::query_as!(
        Found,
        r#"select u.id, u.username, u.roles, u.status, u.password_hash, u.not_before,
                  u.tenant_id, null::text as code,
                  null::integer as access_token_seconds, null::integer as refresh_token_seconds,
                  exists (select from auth.known_addresses k
                          where k.user_id = u.id and k.address = $2) as "known_network!"
           from auth.users u
           where u.tenant_id is null
             and (lower(u.username collate "C") = $1 or lower(u.email collate "C") = $1)"#,
        name,
        network,
    )
    .fetch_optional(state.pool())
    .await
}

async fn succeed(
    state: &State,
    client: &Client,
    charge: Charge,
    mut found: Found,
    verified: Option<String>,
) -> Result<Tokens> {
    let mut tx = state.transaction().await?;
    // The lock keeps a password change or deactivation out until this sign-in is there to be revoked by it.
    let current = sqlx::query!(
        "select roles, not_before from auth.users
         where tenant_id is not distinct from $1 and id = $2 and status = 'active'
           and password_hash is not distinct from $3
         for share",
        found.tenant_id,
        found.id,
        verified,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(current) = current else {
        return Err(Error::unauthorized("invalid_credentials"));
    };
    // Hashing takes its time: what the user may do is what holds now, under the lock.
    if let Some(tenant) = found.tenant_id {
        in_order(&mut tx, tenant).await?;
    }
    found.roles = current.roles;
    found.not_before = current.not_before;
    remember_network(&mut tx, state, client, found.id).await?;
    let actor = Actor::user(found.id, &found.username);
    let (id, tenant_id) = (found.id, found.tenant_id);
    let tokens = state.sign_in(&mut tx, found.into()).await?;
    if let Some(tenant) = tenant_id {
        let act = Act::new("auth.login.succeeded", "create", &actor)
            .target("user", id, None)
            .from(client);
        outbox::write(&mut tx, tenant, &act).await?;
    } else {
        tracing::info!(operator = %id, "an operator signed in");
    }
    state.commit(tx).await?;
    delays::refund(state.pool(), charge).await?;
    Ok(tokens)
}

/// 403 unless the tenant is active. By a statement of its own, after the lock was waited for.
async fn in_order(connection: &mut PgConnection, tenant: Uuid) -> Result<()> {
    let status = sqlx::query_scalar!("select status from auth.tenants where id = $1", tenant)
        .fetch_one(connection)
        .await?;
    match status.as_str() {
        "suspended" => Err(Error::forbidden("tenant_suspended")),
        "archived" => Err(Error::forbidden("tenant_archived")),
        _ => Ok(()),
    }
}

impl From<Found> for Account {
    fn from(found: Found) -> Account {
        Account {
            id: found.id,
            roles: found.roles,
            not_before: found.not_before,
            tenant_id: found.tenant_id,
            code: found.code,
            access_token_seconds: found.access_token_seconds,
            refresh_token_seconds: found.refresh_token_seconds,
        }
    }
}

/// Remembers where the user signs in from, a few places at most.
async fn remember_network(
    connection: &mut PgConnection,
    state: &State,
    client: &Client,
    user: Uuid,
) -> sqlx::Result<()> {
    let Some(network) = delays::network_key(state.secret(), client) else {
        return Ok(());
    };
    sqlx::query!(
        "insert into auth.known_addresses (user_id, address) values ($1, $2)
         on conflict (user_id, address) do update set seen_at = now()",
        user,
        network,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "delete from auth.known_addresses
         where user_id = $1 and address not in (
             select address from auth.known_addresses where user_id = $1
             order by seen_at desc, address limit $2)",
        user,
        KNOWN_NETWORKS,
    )
    .execute(connection)
    .await?;
    Ok(())
}
