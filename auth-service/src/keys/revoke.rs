//! `auth-service keys revoke KID`: takes a signing key out of use at once, because somebody else may have it, and starts a new one.
//! Needs the database and the secret file, no running service; those that run follow within seconds.
//!
//! Every token that the key signed ends, whoever has it: people sign in or refresh, and API keys are exchanged anew.

use anyhow::{Context, bail};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::outbox::{
    self,
    act::{Act, Actor},
};
use crate::{Config, database};

/// What a revocation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The key is gone; `successor` is the kid of the one that was made in its place.
    Now { successor: String },
    /// It was revoked before.
    Before,
}

/// Revokes a signing key. One transaction, so a kill on the way leaves all as it was or all done; the trails of all tenants are told.
pub async fn revoke(config: &Config, kid: &str, reason: Option<&str>) -> anyhow::Result<Revoked> {
    let (secret, _) = config.secrets()?;
    database::migrate(&config.database_url).await?;
    let pool = database::connect(&config.database_url, 1).await?;
    let mut tx = pool.begin().await?;
    // Before anything is decided, so that it does not cross a rotation or another revocation.
    super::lock(&mut tx).await?;
    let deleted = sqlx::query!("delete from auth.signing_keys where kid = $1", kid)
        .execute(&mut *tx)
        .await?;
    if deleted.rows_affected() == 0 {
        return missing(&mut tx, kid).await;
    }
    sqlx::query!(
        "insert into auth.revoked_signing_keys (kid, reason) values ($1, $2)",
        kid,
        reason,
    )
    .execute(&mut *tx)
    .await?;
    // It signs as soon as it is there: services that do not know it yet ask for the key set again.
    let now = OffsetDateTime::now_utc();
    let successor = super::insert(&mut tx, &secret, config.signing_algorithm, now).await?;
    let mut act = Act::new("auth.signing_key.revoked", "delete", &Actor::service())
        .severity("critical")
        .signing_key(kid)
        .metadata(serde_json::json!({"successor": successor}));
    if let Some(reason) = reason {
        act = act.description(reason);
    }
    outbox::write_to_all(&mut tx, &act).await?;
    tx.commit().await.context("nothing was revoked")?;
    Ok(Revoked::Now { successor })
}

/// There is no such key: it was revoked before, or never there.
async fn missing(connection: &mut PgConnection, kid: &str) -> anyhow::Result<Revoked> {
    let before = sqlx::query_scalar!(
        r#"select exists (select from auth.revoked_signing_keys where kid = $1) as "before!""#,
        kid,
    )
    .fetch_one(&mut *connection)
    .await?;
    if before {
        return Ok(Revoked::Before);
    }
    let known = sqlx::query_scalar!("select kid from auth.signing_keys order by signs_from, kid")
        .fetch_all(connection)
        .await?;
    bail!("no signing key {kid}; there are: {}", known.join(", "));
}
