//! An API key for an access token. Says who the key's account is; whether its tenant is in order is the status feed's word.

use secrecy::{ExposeSecret, SecretString};
use service::{Kind, Roles, Scopes};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Subject;
use crate::keys::Keys;

/// The account behind a key that is in force.
pub(crate) struct Found {
    pub(crate) account: Uuid,
    pub(crate) scopes: String,
    key: Uuid,
    key_expires_at: Option<OffsetDateTime>,
    role: String,
    not_before: Option<OffsetDateTime>,
    tenant_id: Uuid,
    code: String,
    access_token_seconds: i32,
    /// When it was looked up: a change after that ends what is signed for it.
    as_of: OffsetDateTime,
}

/// Looks a key up by its digest and notes its use, at most once a minute.
pub(crate) async fn find(pool: &PgPool, key: &str) -> sqlx::Result<Option<Found>> {
    let digest = Sha256::digest(key);
    let found = sqlx::query_as!(
        Found,
        r#"select k.id as key, k.expires_at as key_expires_at, a.id as account, a.role, a.scopes, a.not_before,
                  t.id as tenant_id, t.code, t.access_token_seconds, clock_timestamp() as "as_of!"
           from auth.api_keys k
           join auth.service_accounts a on a.tenant_id = k.tenant_id and a.id = k.service_account_id
           join auth.tenants t on t.id = k.tenant_id
           where k.secret_sha256 = $1 and k.revoked_at is null and a.deactivated_at is null
             and (k.expires_at is null or k.expires_at > now())
           for share of a"#,
        digest.as_slice(),
    )
    .fetch_optional(pool)
    .await?;
    if let Some(found) = &found {
        sqlx::query!(
            "update auth.api_keys set last_used_at = now()
             where tenant_id = $1 and id = $2
               and (last_used_at is null or last_used_at < now() - interval '1 minute')",
            found.tenant_id,
            found.key,
        )
        .execute(pool)
        .await?;
    }
    Ok(found)
}

impl Found {
    /// Signs for the account, with scopes that are its own or fewer; the token ends with the key at the latest.
    pub(crate) fn sign(
        self,
        keys: &Keys,
        issuer: &str,
        scopes: Scopes,
    ) -> anyhow::Result<(String, i64)> {
        let left = self.key_expires_at.map_or(i64::MAX, |end| {
            (end - OffsetDateTime::now_utc()).whole_seconds()
        });
        let subject = Subject {
            kind: Kind::Service,
            id: self.account,
            tenant: Some((self.tenant_id, self.code)),
            roles: self
                .role
                .parse()
                .map_or(Roles::NONE, |role: service::Role| role.into()),
            scopes,
            key: Some(self.key),
            not_before: self.not_before,
        };
        super::sign_as_of(
            keys,
            issuer,
            subject,
            self.as_of,
            left.min(self.access_token_seconds.into()),
        )
    }
}

/// The exchange that this process makes for a key presented as bearer.
pub(crate) async fn bearer(
    pool: &PgPool,
    keys: &Keys,
    issuer: &str,
    key: SecretString,
) -> Result<String, service::exchange::Error> {
    use service::exchange::Error;
    let found = find(pool, key.expose_secret())
        .await
        .map_err(|error| Error::Unavailable(error.into()))?
        .ok_or(Error::Refused)?;
    let scopes = found.scopes.parse::<Scopes>();
    let scopes = scopes.map_err(|error| Error::Unavailable(error.into()))?;
    let (token, _) = found
        .sign(keys, issuer, scopes)
        .map_err(Error::Unavailable)?;
    Ok(token)
}
