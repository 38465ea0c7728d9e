//! `POST /api/v1/auth/logout`: ends a sign-in, or all of the user's. The refresh token is the credential.

use axum::extract;
use axum::http::StatusCode;
use serde::Deserialize;
use service::extract::Json;

use super::refresh_token;
use crate::client::Client;
use crate::error::Result;
use crate::outbox::{
    self,
    act::{Act, Actor},
};
use crate::users::sessions;
use crate::{State, docs};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Logout {
    #[schema(example = "vtr_AZnS86G0fG6dXC8einprXQAAAAFRyv7QyKxJ0cF2bV1mS3lZ")]
    refresh_token: String,
    /// End every sign-in of the user, and every access token at once. Otherwise the access token lives until it expires.
    #[serde(default)]
    everywhere: bool,
}

/// Sign out
///
/// Also 204 for a token that is no good any more.
#[utoipa::path(post, path = "/api/v1/auth/logout", operation_id = "sign_out", tag = "tokens", request_body = Logout,
    responses((status = 204, description = "Signed out"), docs::Denied, docs::Malformed), security(()))]
pub(crate) async fn logout(
    extract::State(state): extract::State<State>,
    client: Client,
    Json(logout): Json<Logout>,
) -> Result<StatusCode> {
    let Some(presented) = refresh_token::parse(&logout.refresh_token) else {
        return Ok(StatusCode::NO_CONTENT);
    };
    let mut tx = state.transaction().await?;
    let family = sqlx::query!(
        "select f.seed, f.tenant_id, f.user_id, u.username
         from auth.refresh_families f
         join auth.users u on u.tenant_id is not distinct from f.tenant_id and u.id = f.user_id
         where f.id = $1 and f.revoked_at is null and f.expires_at > now()",
        presented.family,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(family) = family.filter(|f| presented.is_genuine(state.secret(), &f.seed)) else {
        return Ok(StatusCode::NO_CONTENT);
    };
    if logout.everywhere {
        sessions::end_all(&mut tx, family.user_id).await?;
    } else {
        sqlx::query!(
            "update auth.refresh_families set revoked_at = now() where id = $1",
            presented.family,
        )
        .execute(&mut *tx)
        .await?;
    }
    if let Some(tenant) = family.tenant_id {
        let actor = Actor::user(family.user_id, &family.username);
        let act = Act::new("auth.logout", "delete", &actor)
            .target("user", family.user_id, None)
            .metadata(serde_json::json!({"everywhere": logout.everywhere}))
            .from(&client);
        outbox::write(&mut tx, tenant, &act).await?;
    }
    state.commit(tx).await?;
    state.status_changed().await;
    Ok(StatusCode::NO_CONTENT)
}
