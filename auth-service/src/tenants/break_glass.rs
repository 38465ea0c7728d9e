//! Break-glass: an operator's way to one admin of a tenant that has its own. The tenant is told first: the grant comes into force in the
//! transaction that settles the delivered entry, and never without it.

use std::time::Duration;

use axum::extract;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use service::extract::{Json, Path};
use service::{Caller, Permission};
use sqlx::{PgExecutor, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::outbox::{self, act::Act};
use crate::rules::{self, Faults};
use crate::{State, docs};

/// How long a grant may be used, and the link that comes of it.
pub(crate) const GRANT_SECONDS: f64 = 3600.0;

/// How long a request waits for its entry to arrive.
const PATIENCE: Duration = Duration::from_secs(8);

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BreakGlassRequest)]
pub(crate) struct Request {
    /// Told to the tenant, word by word.
    #[schema(
        example = "ticket 4711: the only admin left the company",
        max_length = 1000
    )]
    reason: String,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = BreakGlass)]
pub(crate) struct Grant {
    id: Uuid,
    status: Status,
    /// The entry in the tenant's `system` partition.
    entry_id: Uuid,
    /// Until then one admin may be made or reset.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<OffsetDateTime>,
}

#[derive(Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BreakGlassStatus)]
pub(crate) enum Status {
    /// The entry has not arrived yet.
    Pending,
    Granted,
    Used,
    Expired,
    /// The entry was refused, so there is no grant.
    Refused,
}

/// Ask for a way in
///
/// 201 when the tenant's `system` partition has the entry and the grant is in force; 202 while it has not.
#[utoipa::path(post, path = "/api/v1/tenants/{code}/break-glass", operation_id = "request_break_glass", tag = "tenants", params(("code" = String, Path, example = "demo")), request_body = Request,
    responses((status = 201, body = Grant), (status = 202, body = Grant), docs::Denied, docs::Limited, docs::Missing, docs::Malformed), security(("bearer" = [])))]
pub(crate) async fn request(
    caller: Caller,
    Path(code): Path<String>,
    extract::State(state): extract::State<State>,
    client: Client,
    Json(request): Json<Request>,
) -> Result<(StatusCode, Json<Grant>)> {
    let mut change = state.begin(&caller, Permission::ManageTenants).await?;
    let mut faults = Faults::default();
    faults.text("/reason", &request.reason, 1000);
    faults.finish()?;
    let tenant = tenant(&mut *change.tx, &code).await?;
    let id = Uuid::now_v7();
    let act = Act::new("tenant.break_glass", "create", &change.actor)
        .severity("critical")
        .target("tenant", tenant, Some(&code))
        .target("break_glass", id, None)
        .description(&request.reason)
        .from(&client);
    let entry = outbox::write(&mut change.tx, tenant, &act).await?;
    sqlx::query!(
        "insert into auth.break_glass (id, tenant_id, operator_id, reason, entry_id)
         values ($1, $2, $3, $4, $5)",
        id,
        tenant,
        caller.principal.id,
        request.reason,
        entry,
    )
    .execute(&mut *change.tx)
    .await?;
    state.commit(change.tx).await?;
    // Dying here loses nothing: the follower delivers the entry, and the grant can be asked for by its id.
    let delivered = tokio::time::timeout(PATIENCE, state.deliver_now(tenant)).await;
    if let Ok(Err(error)) = delivered {
        tracing::warn!(
            error = format!("{error:#}"),
            "a break-glass entry has to wait"
        );
    }
    let grant = read(state.pool(), tenant, id).await?;
    let status = match grant.status {
        Status::Granted => StatusCode::CREATED,
        _ => StatusCode::ACCEPTED,
    };
    Ok((status, Json(grant)))
}

/// How a request stands
#[utoipa::path(get, path = "/api/v1/tenants/{code}/break-glass/{id}", operation_id = "get_break_glass", tag = "tenants",
    params(("code" = String, Path, example = "demo"), ("id" = Uuid, Path)),
    responses((status = 200, body = Grant), docs::Denied, docs::Missing, docs::Malformed), security(("bearer" = [])))]
pub(crate) async fn get(
    caller: Caller,
    Path((code, id)): Path<(String, Uuid)>,
    extract::State(state): extract::State<State>,
) -> Result<Json<Grant>> {
    caller.require(Permission::ManageTenants)?;
    let tenant = tenant(state.pool(), &code).await?;
    Ok(Json(read(state.pool(), tenant, id).await?))
}

async fn tenant(executor: impl PgExecutor<'_>, code: &str) -> Result<Uuid> {
    if !rules::is_code(code) {
        return Err(Error::not_found());
    }
    sqlx::query_scalar!("select id from auth.tenants where code = $1", code)
        .fetch_optional(executor)
        .await?
        .ok_or_else(Error::not_found)
}

async fn read(pool: &PgPool, tenant: Uuid, id: Uuid) -> Result<Grant> {
    let row = sqlx::query!(
        r#"select b.entry_id, b.expires_at, b.granted_at, b.used_at,
                  coalesce(b.expires_at <= now(), false) as "expired!",
                  exists (select from auth.outbox o
                          where o.tenant_id = $1 and o.id = b.entry_id and o.parked_at is not null) as "parked!"
           from auth.break_glass b where b.tenant_id = $1 and b.id = $2"#,
        tenant,
        id,
    )
    .fetch_optional(pool)
    .await?
    .ok_or_else(Error::not_found)?;
    let status = match () {
        () if row.used_at.is_some() => Status::Used,
        () if row.expired => Status::Expired,
        () if row.granted_at.is_some() => Status::Granted,
        () if row.parked => Status::Refused,
        () => Status::Pending,
    };
    Ok(Grant {
        id,
        status,
        entry_id: row.entry_id,
        expires_at: row.expires_at,
    })
}
