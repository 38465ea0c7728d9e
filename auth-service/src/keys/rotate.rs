//! `POST /api/v1/keys/rotate`: publishes a new signing key that takes over after the lead time. Never signs with it at once.

use axum::extract;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use service::extract::Json;
use service::{Caller, Permission};
use time::{Duration, OffsetDateTime};

use super::Algorithm;
use crate::error::{Error, Result};
use crate::{State, docs};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyRotation)]
pub(crate) struct Rotation {
    /// Left out: the configured one.
    algorithm: Option<Algorithm>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = NewSigningKey)]
pub(crate) struct NewKey {
    #[schema(example = "0199d2f3a1b47c6e9d5c2f1e8a7b6c5d")]
    kid: String,
    algorithm: Algorithm,
    /// From then on it signs; until then it is only published.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    signs_from: OffsetDateTime,
}

/// Change the signing key
///
/// The new key is published at once and signs after the lead time; tokens of the old one stay good until they expire.
#[utoipa::path(post, path = "/api/v1/keys/rotate", operation_id = "rotate_signing_key", tag = "keys", request_body = Rotation,
    responses((status = 201, body = NewKey), docs::Denied, docs::Limited, docs::Malformed,
        (status = 409, description = "`rotation_pending`: a published key does not sign yet", body = service::error::Problem, content_type = "application/problem+json")),
    security(("bearer" = [])))]
pub(crate) async fn rotate(
    caller: Caller,
    extract::State(state): extract::State<State>,
    Json(rotation): Json<Rotation>,
) -> Result<(StatusCode, Json<NewKey>)> {
    let mut change = state.begin(&caller, Permission::ManageTenants).await?;
    super::lock(&mut change.tx).await?;
    let pending = sqlx::query_scalar!(
        r#"select exists (select from auth.signing_keys where signs_from > now()) as "pending!""#,
    )
    .fetch_one(&mut *change.tx)
    .await?;
    if pending {
        return Err(Error::conflict(
            "rotation_pending",
            "a key that was published before does not sign yet",
        ));
    }
    let algorithm = rotation.algorithm.unwrap_or(state.signing_algorithm());
    let signs_from = OffsetDateTime::now_utc() + Duration::seconds(state.key_lead().into());
    let kid = super::insert(&mut change.tx, state.secret(), algorithm, signs_from).await?;
    change.tx.commit().await?;
    // No tenant is touched, so there is no `system` partition to tell.
    tracing::info!(operator = %caller.principal, kid, "signing key rotated");
    state.reload_keys().await?;
    Ok((
        StatusCode::CREATED,
        Json(NewKey {
            kid,
            algorithm,
            signs_from,
        }),
    ))
}
