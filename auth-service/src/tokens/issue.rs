//! A sign-in's first tokens, and the record of it.

use service::{Kind, Scopes};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{OPERATOR_ACCESS_SECONDS, OPERATOR_REFRESH_SECONDS, Subject, Tokens, refresh_token};
use crate::State;
use crate::change::parse_roles;
use crate::secret::random;

/// A user as tokens need him.
pub(crate) struct Account {
    pub(crate) id: Uuid,
    pub(crate) roles: Vec<String>,
    pub(crate) not_before: Option<OffsetDateTime>,
    pub(crate) tenant_id: Option<Uuid>,
    pub(crate) code: Option<String>,
    pub(crate) access_token_seconds: Option<i32>,
    pub(crate) refresh_token_seconds: Option<i32>,
}

impl State {
    /// Starts a refresh family and signs its first tokens; nothing is good before the caller's transaction commits.
    pub(crate) async fn sign_in(
        &self,
        connection: &mut PgConnection,
        account: Account,
    ) -> anyhow::Result<Tokens> {
        let family = Uuid::now_v7();
        let seed = random::<16>();
        let seconds = account
            .refresh_token_seconds
            .unwrap_or(OPERATOR_REFRESH_SECONDS);
        sqlx::query!(
            "insert into auth.refresh_families (id, tenant_id, user_id, seed, expires_at)
             values ($1, $2, $3, $4, now() + make_interval(secs => $5))",
            family,
            account.tenant_id,
            account.id,
            &seed,
            f64::from(seconds),
        )
        .execute(connection)
        .await?;
        self.pair(
            account,
            refresh_token::make(self.secret(), family, &seed, 0),
        )
    }

    /// A fresh access token beside a refresh token.
    pub(crate) fn pair(&self, account: Account, refresh_token: String) -> anyhow::Result<Tokens> {
        let seconds = account
            .access_token_seconds
            .unwrap_or(OPERATOR_ACCESS_SECONDS);
        let subject = Subject {
            kind: Kind::User,
            id: account.id,
            tenant: account.tenant_id.zip(account.code),
            roles: parse_roles(&account.roles),
            scopes: Scopes::default(),
            key: None,
            not_before: account.not_before,
        };
        let (access_token, expires_in) =
            super::sign(self.keys(), self.issuer(), subject, seconds.into())?;
        Ok(Tokens {
            access_token,
            refresh_token,
            token_type: "Bearer",
            expires_in,
        })
    }
}
