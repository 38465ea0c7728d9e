//! The status feed, `GET /internal/status`: all that is not in order, for the services that check it at each request. Read in one statement, so it is one moment's truth.
//! Lists revocations only for as long as a token from before may live; names no person.

use axum::extract;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use service::status::StatusSet;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use subtle::ConstantTimeEq;

use crate::error::{Error, Result};
use crate::secret::hex;
use crate::{State, docs};

/// The feed: what is not in order, and the settings of tenants that other services need.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[schema(as = StatusFeed)]
pub(crate) struct Status {
    #[serde(flatten)]
    #[schema(value_type = Object, example = json!({"tenants": {"0199d2f3-a1b4-7c6e-9d5c-2f1e8a7b6c5d": "archived"}, "principals": [], "keys": [], "signing_keys": [], "not_before": {}, "settings": {}}))]
    set: StatusSet,
}

impl Status {
    pub(crate) fn set(self) -> StatusSet {
        self.set
    }
}

/// Everything as of now. The window is longer than any token lives, and short, since every change of every tenant is in it.
pub(crate) async fn read(pool: &PgPool) -> anyhow::Result<Status> {
    let text = sqlx::query_scalar!(
        r#"select jsonb_build_object(
            'tenants', (select coalesce(jsonb_object_agg(id, status), '{}')
                from auth.tenants where status <> 'active'),
            'principals', (select coalesce(jsonb_agg(id order by id), '[]') from (
                select id from auth.users where deactivated_at > now() - interval '3 hours'
                union all
                select id from auth.service_accounts where deactivated_at > now() - interval '3 hours') as p),
            'keys', (select coalesce(jsonb_agg(id order by id), '[]')
                from auth.api_keys where revoked_at > now() - interval '3 hours'),
            'signing_keys', (select coalesce(jsonb_agg(kid order by kid), '[]') from auth.revoked_signing_keys),
            'not_before', (select coalesce(jsonb_object_agg(id, extract(epoch from not_before)::bigint), '{}') from (
                select id, not_before from auth.users where not_before > now() - interval '3 hours'
                union all
                select id, not_before from auth.service_accounts where not_before > now() - interval '3 hours') as n),
            'settings', (select coalesce(jsonb_object_agg(id, jsonb_build_object('personal_ids', personal_ids)), '{}')
                from auth.tenants where personal_ids)
        )::text as "status!""#,
    )
    .fetch_one(pool)
    .await?;
    Ok(serde_json::from_str(&text)?)
}

/// What is not in order
///
/// For the services of the installation, with the internal secret as bearer. Polled each second with `if-none-match`.
#[utoipa::path(get, path = "/internal/status", operation_id = "status_feed", tag = "internal",
    responses((status = 200, body = Status), (status = 304, description = "As the `etag` says"), docs::Denied),
    security(("bearer" = [])))]
pub(crate) async fn status(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
) -> Result<Response> {
    if !is_internal(&state, &headers) {
        return Err(Error::unauthorized("invalid_token"));
    }
    let body = serde_json::to_string(&read(state.pool()).await?).map_err(anyhow::Error::from)?;
    let etag = format!("\"{}\"", hex(&Sha256::digest(&body)[..16]));
    let known = headers
        .get(IF_NONE_MATCH)
        .is_some_and(|value| value.as_bytes() == etag.as_bytes());
    let headers = [(ETAG, etag.as_str()), (CACHE_CONTROL, "no-store")];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, [(CONTENT_TYPE, "application/json")], body).into_response())
}

/// Compared in constant time, over digests so that the length does not show either.
fn is_internal(state: &State, headers: &HeaderMap) -> bool {
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    given.is_some_and(|given| {
        let expected = Sha256::digest(state.internal_secret().expose_secret());
        bool::from(Sha256::digest(given).as_slice().ct_eq(expected.as_slice()))
    })
}
