//! `/.well-known/jwks.json` and `/.well-known/openid-configuration`: what a verifier needs, without a credential.

use axum::extract;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use serde::Serialize;
use service::extract::Json;

use crate::State;

/// A JSON Web Key Set (RFC 7517).
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes service::keys::Jwks for OpenAPI")]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

/// A public key (RFC 7517, RFC 8037).
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes service::keys::Jwk for OpenAPI")]
#[schema(as = PublicKey)]
pub(crate) struct Key {
    kid: String,
    /// `OKP` or `RSA`.
    kty: String,
    /// `EdDSA` or `RS256`; the only algorithm that this key is good for.
    alg: String,
    r#use: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

/// Public keys of access tokens
///
/// May be kept for a minute; a new key is here for minutes before it signs.
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "key_set", tag = "keys", responses((status = 200, body = KeySet)), security(()))]
pub(crate) async fn jwks(extract::State(state): extract::State<State>) -> impl IntoResponse {
    let keys = state.keys().published().borrow().clone();
    ([(CACHE_CONTROL, "public, max-age=60")], Json(keys))
}

/// Provider metadata, as far as it applies (`OpenID` Connect Discovery 1.0, RFC 8414).
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Discovery {
    #[schema(example = "http://127.0.0.1:8001")]
    issuer: String,
    jwks_uri: String,
    token_endpoint: String,
    grant_types_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 2],
    response_types_supported: [&'static str; 0],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 2],
}

/// Where tokens and keys are found
#[utoipa::path(get, path = "/.well-known/openid-configuration", operation_id = "discovery", tag = "keys", responses((status = 200, body = Discovery)), security(()))]
pub(crate) async fn discovery(extract::State(state): extract::State<State>) -> Json<Discovery> {
    let base = state.issuer().trim_end_matches('/');
    Json(Discovery {
        issuer: state.issuer().to_owned(),
        jwks_uri: format!("{base}/.well-known/jwks.json"),
        token_endpoint: format!("{base}/oauth/token"),
        grant_types_supported: ["client_credentials"],
        token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
        response_types_supported: [],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["EdDSA", "RS256"],
    })
}
