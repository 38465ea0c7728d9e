//! API keys of a service account: made and shown once, listed without their secret, revoked.

use axum::extract;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use service::extract::{Json, Path};
use service::{Caller, Permission};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::ServiceAccount;
use crate::client::Client;
use crate::credentials::api_key;
use crate::error::{Error, Result};
use crate::outbox::{self, act::Act};
use crate::rules::Faults;
use crate::{State, docs};

/// Keys in force at the same time.
const MOST_KEYS: i64 = 20;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiKey)]
pub(crate) struct Request {
    #[schema(example = "billing, production", max_length = 100)]
    name: String,
    /// Left out: it does not expire.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<OffsetDateTime>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ApiKey {
    id: Uuid,
    #[schema(example = "billing, production")]
    name: String,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<OffsetDateTime>,
    /// To the minute.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = CreatedApiKey)]
pub(crate) struct NewKey {
    #[serde(flatten)]
    key: ApiKey,
    /// Shown this once. A bearer credential, and the `client_secret` at `/oauth/token`.
    #[schema(example = "vtk_3q2-7wQm0hY0Xq9mJc8pJm4h5uVb1oXw2k6e0T9aZsE")]
    api_key: String,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ApiKeys {
    api_keys: Vec<ApiKey>,
}

/// Make an API key
///
/// At most 20 are in force at the same time: 409 `too_many_keys`.
#[utoipa::path(post, path = "/api/v1/service-accounts/{id}/api-keys", operation_id = "create_api_key", tag = "service accounts", params(("id" = Uuid, Path)), request_body = Request,
    responses((status = 201, body = NewKey), docs::Denied, docs::Limited, docs::Missing, docs::Malformed, docs::Clash), security(("bearer" = [])))]
pub(crate) async fn create(
    caller: Caller,
    Path(account): Path<Uuid>,
    extract::State(state): extract::State<State>,
    client: Client,
    Json(request): Json<Request>,
) -> Result<(StatusCode, Json<NewKey>)> {
    let tenant = caller.tenant()?.id;
    let mut change = state.begin(&caller, Permission::ManageUsers).await?;
    let mut faults = Faults::default();
    faults.text("/name", &request.name, 100);
    if request
        .expires_at
        .is_some_and(|end| end <= OffsetDateTime::now_utc())
    {
        faults.add("/expires_at", "must be in the future");
    }
    faults.finish()?;
    let owner = ServiceAccount::lock_active(&mut change.tx, tenant, account).await?;
    refuse_too_many(&mut change.tx, tenant, account).await?;
    let id = Uuid::now_v7();
    let secret = api_key();
    insert(
        &mut change.tx,
        tenant,
        account,
        id,
        &request.name,
        &secret,
        request.expires_at,
    )
    .await?;
    let key = by_id(&mut change.tx, tenant, account, id).await?;
    let act = Act::new("api_key.created", "create", &change.actor)
        .target("api_key", id, Some(&request.name))
        .target("service_account", account, Some(&owner.name))
        .from(&client);
    outbox::write(&mut change.tx, tenant, &act).await?;
    state.commit(change.tx).await?;
    let api_key = secret;
    Ok((StatusCode::CREATED, Json(NewKey { key, api_key })))
}

/// The account's API keys, revoked ones included
#[utoipa::path(get, path = "/api/v1/service-accounts/{id}/api-keys", operation_id = "list_api_keys", tag = "service accounts", params(("id" = Uuid, Path)),
    responses((status = 200, body = ApiKeys), docs::Denied, docs::Missing, docs::Malformed), security(("bearer" = [])))]
pub(crate) async fn list(
    caller: Caller,
    Path(account): Path<Uuid>,
    extract::State(state): extract::State<State>,
) -> Result<Json<ApiKeys>> {
    let tenant = caller.tenant()?.id;
    caller.require(Permission::ManageUsers)?;
    ServiceAccount::by_id(state.pool(), tenant, account).await?;
    let api_keys = sqlx::query_as!(
        ApiKey,
        "select id, name, expires_at, revoked_at, last_used_at, created_at
         from auth.api_keys where tenant_id = $1 and service_account_id = $2
         order by id desc limit 1000",
        tenant,
        account,
    )
    .fetch_all(state.pool())
    .await?;
    Ok(Json(ApiKeys { api_keys }))
}

/// Revoke an API key
///
/// It ends at once, with the tokens that it was exchanged for. Repeating it changes nothing.
#[utoipa::path(delete, path = "/api/v1/service-accounts/{id}/api-keys/{key_id}", operation_id = "revoke_api_key", tag = "service accounts",
    params(("id" = Uuid, Path), ("key_id" = Uuid, Path)),
    responses((status = 204, description = "Revoked"), docs::Denied, docs::Limited, docs::Missing, docs::Malformed), security(("bearer" = [])))]
pub(crate) async fn revoke(
    caller: Caller,
    Path((account, id)): Path<(Uuid, Uuid)>,
    extract::State(state): extract::State<State>,
    client: Client,
) -> Result<StatusCode> {
    let tenant = caller.tenant()?.id;
    let mut change = state.begin(&caller, Permission::ManageUsers).await?;
    let owner = ServiceAccount::by_id(&mut *change.tx, tenant, account).await?;
    let key = by_id(&mut change.tx, tenant, account, id).await?;
    let revoked = sqlx::query!(
        "update auth.api_keys set revoked_at = now()
         where tenant_id = $1 and service_account_id = $2 and id = $3 and revoked_at is null",
        tenant,
        account,
        id,
    )
    .execute(&mut *change.tx)
    .await?;
    if revoked.rows_affected() == 0 {
        return Ok(StatusCode::NO_CONTENT);
    }
    let act = Act::new("api_key.revoked", "delete", &change.actor)
        .target("api_key", id, Some(&key.name))
        .target("service_account", account, Some(&owner.name))
        .from(&client);
    outbox::write(&mut change.tx, tenant, &act).await?;
    state.commit(change.tx).await?;
    state.status_changed().await;
    Ok(StatusCode::NO_CONTENT)
}

async fn by_id(
    connection: &mut PgConnection,
    tenant: Uuid,
    account: Uuid,
    id: Uuid,
) -> Result<ApiKey> {
    sqlx::query_as!(
        ApiKey,
        "select id, name, expires_at, revoked_at, last_used_at, created_at
         from auth.api_keys where tenant_id = $1 and service_account_id = $2 and id = $3",
        tenant,
        account,
        id,
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(Error::not_found)
}

/// Counted under the account's lock, so that two at once do not both fit.
async fn refuse_too_many(connection: &mut PgConnection, tenant: Uuid, account: Uuid) -> Result<()> {
    let keys = sqlx::query_scalar!(
        r#"select count(*) as "keys!" from auth.api_keys
           where tenant_id = $1 and service_account_id = $2 and revoked_at is null
             and (expires_at is null or expires_at > now())"#,
        tenant,
        account,
    )
    .fetch_one(connection)
    .await?;
    if keys >= MOST_KEYS {
        return Err(Error::conflict(
            "too_many_keys",
            "the account has 20 keys in force",
        ));
    }
    Ok(())
}

/// Stores a key by its digest.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    tenant: Uuid,
    account: Uuid,
    id: Uuid,
    name: &str,
    secret: &str,
    expires_at: Option<OffsetDateTime>,
) -> sqlx::Result<()> {
    let digest = Sha256::digest(secret);
    sqlx::query!(
        "insert into auth.api_keys (id, tenant_id, service_account_id, name, secret_sha256, expires_at)
         values ($1, $2, $3, $4, $5, $6)",
        id,
        tenant,
        account,
        name,
        digest.as_slice(),
        expires_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
