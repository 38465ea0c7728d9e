//! Access tokens (RFC 9068): the claims, and the verification of one token against one key set.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::caller::Kind;
use crate::permission::{Roles, Scopes};

/// `typ` of every access token.
pub const TYPE: &str = "at+jwt";
/// Longest token that is looked at, in bytes.
pub const MAX_BYTES: usize = 4096;

/// The claims of an access token; auth-service signs exactly this.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    /// `veritrail-auth`, `veritrail-logs` or both.
    pub aud: Vec<String>,
    /// The principal.
    pub sub: Uuid,
    pub kind: Kind,
    /// Absent for operators, together with `tenant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<Uuid>,
    /// The tenant's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    pub roles: Roles,
    #[serde(default, skip_serializing_if = "Scopes::is_empty")]
    pub scope: Scopes,
    /// The API key that the token was exchanged from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Uuid>,
    pub jti: Uuid,
    /// Unix seconds.
    pub iat: i64,
    /// Unix seconds.
    pub exp: i64,
    /// Unix seconds; we never set it, a gateway's copy of a token might.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
}
