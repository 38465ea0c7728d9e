//! `POST /api/v1/auth/refresh`: the next token pair of a sign-in. A refresh token that comes a second time ends its whole family, except
//! within the grace, where it gets the same successor again.

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
use super::refresh_token::{self, Presented};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::outbox::{
    self,
    act::{Act, Actor},
};
use crate::{State, docs};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    #[schema(example = "vtr_AZnS86G0fG6dXC8einprXQAAAAFRyv7QyKxJ0cF2bV1mS3lZ")]
    refresh_token: String,
}

struct Family {
    seed: Vec<u8>,
    step: i32,
    /// The last step was at most 10 s ago.
    in_grace: bool,
    alive: bool,
    user_status: String,
    tenant_status: Option<String>,
    user_id: Uuid,
    username: String,
    roles: Vec<String>,
    not_before: Option<OffsetDateTime>,
    tenant_id: Option<Uuid>,
    code: Option<String>,
    access_token_seconds: Option<i32>,
    refresh_token_seconds: Option<i32>,
}

/// Refresh tokens
///
/// Each refresh token is good once; two tabs that use one within 10 s get the same next one. A later second use ends the sign-in.
#[utoipa::path(post, path = "/api/v1/auth/refresh", operation_id = "refresh_tokens", tag = "tokens", request_body = Refresh,
    responses((status = 200, body = Tokens), docs::Denied, docs::Malformed), security(()))]
pub(crate) async fn refresh(
    extract::State(state): extract::State<State>,
    client: Client,
    Json(refresh): Json<Refresh>,
) -> Result<impl IntoResponse> {
    let invalid = || Error::unauthorized("invalid_refresh_token");
    let presented = refresh_token::parse(&refresh.refresh_token).ok_or_else(invalid)?;
    let mut tx = state.transaction().await?;
    let family = lock(&mut tx, presented.family).await?.ok_or_else(invalid)?;
    if !presented.is_genuine(state.secret(), &family.seed) || !family.alive {
        return Err(invalid());
    }
    match family.tenant_status.as_deref() {
        Some("suspended") => return Err(Error::forbidden("tenant_suspended")),
        Some("archived") => return Err(Error::forbidden("tenant_archived")),
        _ => {}
    }
    if family.user_status != "active" {
        return Err(invalid());
    }
    let next = if presented.step == family.step {
        step(&mut tx, presented.family).await?
    } else if presented.step == family.step - 1 && family.in_grace {
        family.step
    } else {
        revoke_reused(&state, tx, &client, &presented, &family).await?;
        return Err(invalid());
    };
    let token = refresh_token::make(state.secret(), presented.family, &family.seed, next);
    // Signed under the lock: a change of the user comes before it, or ends this token too.
    let tokens = state.pair(family.into(), token)?;
    tx.commit().await?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(tokens)))
}

/// The family, locked: of two uses at once the second sees what the first did.
async fn lock(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Family>> {
    // The user first, as everything that ends sign-ins does, and by a statement of its own, so that
    // the next one reads what a change that was waited for has left.
    sqlx::query_scalar!(
        "select u.id from auth.users u join auth.refresh_families f on f.user_id = u.id
         where f.id = $1 for share of u",
        id,
    )
    .fetch_optional(&mut *connection)
    .await?;
    sqlx::query_as!(
        Family,
        r#"select f.seed, f.step, f.user_id,
                  f.stepped_at > clock_timestamp() - interval '10 seconds' as "in_grace!",
                  f.revoked_at is null and f.expires_at > clock_timestamp() as "alive!",
                  u.username, u.roles, u.not_before, u.status as user_status,
                  t.id as "tenant_id?", t.code as "code?", t.status as "tenant_status?",
                  t.access_token_seconds as "access_token_seconds?",
                  t.refresh_token_seconds as "refresh_token_seconds?"
           from auth.refresh_families f
           join auth.users u on u.tenant_id is not distinct from f.tenant_id and u.id = f.user_id
           left join auth.tenants t on t.id = f.tenant_id
           where f.id = $1
           for update of f"#,
        id,
    )
    .fetch_optional(connection)
    .await
}

async fn step(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<i32> {
    sqlx::query_scalar!(
        "update auth.refresh_families set step = step + 1, stepped_at = clock_timestamp()
         where id = $1 returning step",
        id,
    )
    .fetch_one(connection)
    .await
}

/// Somebody has a copy: whoever it is, nobody goes on with this sign-in.
async fn revoke_reused(
    state: &State,
    mut tx: sqlx::Transaction<'static, sqlx::Postgres>,
    client: &Client,
    presented: &Presented,
    family: &Family,
) -> Result<()> {
    sqlx::query!(
        "update auth.refresh_families set revoked_at = now() where id = $1",
        presented.family,
    )
    .execute(&mut *tx)
    .await?;
    if let Some(tenant) = family.tenant_id {
        let act = Act::new("auth.refresh.reused", "other", &Actor::anonymous())
            .failed("refresh_token_reused")
            .severity("critical")
            .target("user", family.user_id, Some(&family.username))
            .from(client);
        outbox::write(&mut tx, tenant, &act).await?;
    }
    state.commit(tx).await?;
    tracing::warn!(user = %family.user_id, "a refresh token was used twice; its sign-in is over");
    Ok(())
}

impl From<Family> for Account {
    fn from(family: Family) -> Account {
        Account {
            id: family.user_id,
            roles: family.roles,
            not_before: family.not_before,
            tenant_id: family.tenant_id,
            code: family.code,
            access_token_seconds: family.access_token_seconds,
            refresh_token_seconds: family.refresh_token_seconds,
        }
    }
}
