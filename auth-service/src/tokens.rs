//! Access tokens: what stands in them, for whom, and for how long. Signing is in `keys`, verifying in `service`.

pub(crate) mod exchange;
pub(crate) mod failures;
pub(crate) mod issue;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod oauth;
pub(crate) mod refresh;
pub(crate) mod refresh_token;

use serde::Serialize;
use service::access::{AUTH_AUDIENCE, LOGS_AUDIENCE};
use service::token::Claims;
use service::{Kind, Roles, Scopes};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::State;
use crate::keys::Keys;

/// Operators have no tenant whose settings could say so.
pub(crate) const OPERATOR_ACCESS_SECONDS: i32 = 900;
pub(crate) const OPERATOR_REFRESH_SECONDS: i32 = 8 * 3600;

const INTERNAL_SECONDS: i64 = 300;

/// The principal that delivers the outbox: the same in every installation, so that `recorded_by` reads alike everywhere.
const DELIVERER: Uuid = Uuid::from_u128(0x7665_7269_7472_8169_8c2d_6175_7468_0001);

/// A token pair, as RFC 6749 §5.1 names its members.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Tokens {
    access_token: String,
    /// Good for one refresh; each answer holds the next one.
    #[schema(example = "vtr_AZnS86G0fG6dXC8einprXQAAAAFRyv7QyKxJ0cF2bV1mS3lZ")]
    refresh_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds for which the access token is good.
    #[schema(example = 900)]
    expires_in: i64,
}

/// Whom an access token is for.
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) id: Uuid,
    /// Id and code; none for operators.
    pub(crate) tenant: Option<(Uuid, String)>,
    pub(crate) roles: Roles,
    pub(crate) scopes: Scopes,
    pub(crate) key: Option<Uuid>,
    /// Tokens from before are refused, so this one is not from before.
    pub(crate) not_before: Option<OffsetDateTime>,
}

/// Signs a token for both services; what it returns is the token and its seconds.
pub(crate) fn sign(
    keys: &Keys,
    issuer: &str,
    subject: Subject,
    seconds: i64,
) -> anyhow::Result<(String, i64)> {
    sign_as_of(keys, issuer, subject, OffsetDateTime::now_utc(), seconds)
}

/// The same for a subject that was looked up at `as_of`, when the token was issued as it says.
pub(crate) fn sign_as_of(
    keys: &Keys,
    issuer: &str,
    subject: Subject,
    as_of: OffsetDateTime,
    seconds: i64,
) -> anyhow::Result<(String, i64)> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let floor = subject.not_before.map_or(0, OffsetDateTime::unix_timestamp);
    let issued = now.min(as_of.unix_timestamp()).max(floor);
    let audience = [AUTH_AUDIENCE, LOGS_AUDIENCE];
    let claims = claims(issuer, &audience, subject, issued, now + seconds);
    Ok((keys.sign(&claims)?, seconds))
}

fn claims(issuer: &str, audience: &[&str], subject: Subject, iat: i64, exp: i64) -> Claims {
    let (tenant_id, tenant) = subject.tenant.unzip();
    Claims {
        iss: issuer.to_owned(),
        aud: audience.iter().map(|&name| name.to_owned()).collect(),
        sub: subject.id,
        kind: subject.kind,
        tenant_id,
        tenant,
        roles: subject.roles,
        scope: subject.scopes,
        key: subject.key,
        jti: Uuid::now_v7(),
        iat,
        exp,
        nbf: None,
    }
}

impl State {
    /// The token with which one tenant's entries are delivered: it may write `system` and nothing else.
    pub(crate) fn internal_token(&self, tenant: Uuid, code: &str) -> anyhow::Result<String> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let subject = Subject {
            kind: Kind::System,
            id: DELIVERER,
            tenant: Some((tenant, code.to_owned())),
            roles: Roles::NONE,
            scopes: Scopes::default(),
            key: None,
            not_before: None,
        };
        let audience = [LOGS_AUDIENCE];
        let claims = claims(
            self.issuer(),
            &audience,
            subject,
            now,
            now + INTERNAL_SECONDS,
        );
        self.keys().sign(&claims)
    }
}
