//! Access tokens (RFC 9068): the claims, and the verification of one token against one key set.
//!
//! Never looks at a cache, the network or the status feed.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::caller::{Caller, Kind, Principal, Tenant};
use crate::keys::KeySet;
use crate::permission::{Role, Roles};
use crate::scope::Scopes;

/// `typ` of every access token.
pub const TYPE: &str = "at+jwt";
/// Longest token that is looked at, in bytes.
pub const MAX_BYTES: usize = 4096;
/// Longest life of a token, in seconds: what lives longer was not made by us.
const MAX_LIFETIME: i64 = 24 * 3600;
/// How far the clock of whoever signed may be ahead of ours, in seconds.
const CLOCK_SKEW: i64 = 60;

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
    /// Unix seconds; we never set it, but one that is there is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
}

/// What a token must name.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) issuer: String,
    pub(crate) audience: &'static str,
}

/// Why a token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Signed with a key that is not in this set; a newer set may have it.
    UnknownKey,
    Expired,
    /// Anything else; the text is for the log.
    Bad(&'static str),
}

/// Verifies one token at Unix second `now`.
///
/// The algorithm is the one that the key set gives for the token's kid; the token's own `alg` only
/// has to agree. So neither `none` nor an HMAC with a public key as its secret can pass.
pub(crate) fn verify(
    token: &str,
    keys: &KeySet,
    expected: &Expected,
    now: i64,
) -> Result<Caller, Refusal> {
    if token.len() > MAX_BYTES {
        return Err(Refusal::Bad("too long"));
    }
    if token.bytes().filter(|byte| *byte == b'.').count() != 2 {
        return Err(Refusal::Bad("not three parts"));
    }
    let header = decode_header(token).map_err(|_| Refusal::Bad("header"))?;
    if header.typ.as_deref() != Some(TYPE) {
        return Err(Refusal::Bad("typ"));
    }
    if header.crit.is_some() {
        return Err(Refusal::Bad("crit"));
    }
    let kid = header.kid.as_deref().ok_or(Refusal::Bad("no kid"))?;
    let key = keys.get(kid).ok_or(Refusal::UnknownKey)?;
    if header.alg != key.algorithm {
        return Err(Refusal::Bad("algorithm is not the key's"));
    }
    let mut validation = Validation::new(key.algorithm);
    validation.leeway = 0;
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[expected.issuer.as_str()]);
    validation.set_audience(&[expected.audience]);
    // The times are checked below, against one clock.
    validation.validate_exp = false;
    let claims = decode::<Claims>(token, &key.key, &validation).map_err(|error| refusal(&error))?;
    caller(claims.claims, kid, now)
}

fn refusal(error: &jsonwebtoken::errors::Error) -> Refusal {
    Refusal::Bad(match error.kind() {
        ErrorKind::InvalidSignature => "signature",
        ErrorKind::InvalidIssuer => "issuer",
        ErrorKind::InvalidAudience => "audience",
        ErrorKind::MissingRequiredClaim(_) => "claim missing",
        ErrorKind::Json(_) => "claims",
        _ => "not a token",
    })
}

fn caller(claims: Claims, kid: &str, now: i64) -> Result<Caller, Refusal> {
    if claims.exp <= now {
        return Err(Refusal::Expired);
    }
    if claims.iat > now.saturating_add(CLOCK_SKEW) || claims.nbf.is_some_and(|start| start > now) {
        return Err(Refusal::Bad("not valid yet"));
    }
    if claims.exp <= claims.iat || claims.exp.saturating_sub(claims.iat) > MAX_LIFETIME {
        return Err(Refusal::Bad("lifetime"));
    }
    let tenant = match (claims.tenant_id, claims.tenant) {
        (Some(id), Some(code)) if is_code(&code) && !id.is_nil() => Some(Tenant { id, code }),
        (None, None) => None,
        _ => return Err(Refusal::Bad("tenant")),
    };
    let operator = claims.roles.contains(Role::Operator);
    let fits = match claims.kind {
        Kind::User => operator == tenant.is_none() && !claims.roles.is_empty(),
        Kind::Service => !operator && tenant.is_some(),
        Kind::System => claims.roles.is_empty() && tenant.is_some(),
    };
    // An operator is nothing else, so that no token reads entries and manages tenants.
    if !fits || (operator && claims.roles != Role::Operator.into()) {
        return Err(Refusal::Bad("kind, tenant and roles do not fit"));
    }
    Ok(Caller {
        tenant,
        principal: Principal {
            kind: claims.kind,
            id: claims.sub,
        },
        roles: claims.roles,
        scopes: claims.scope,
        key: claims.key,
        signed_by: kid.into(),
        jti: claims.jti,
        issued_at: claims.iat,
        expires_at: claims.exp,
    })
}

/// `^[a-z0-9]+(-[a-z0-9]+)*$`, at most 15 characters. Which codes may be given out is
/// auth-service's matter.
fn is_code(code: &str) -> bool {
    code.len() <= 15
        && code.split('-').all(|word| {
            let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            !word.is_empty() && word.bytes().all(fine)
        })
}
