//! Signing keys: made, sealed, published, changed without a gap, and revoked.
//! Never shows a private key; never signs with a key before its `signs_from`, and never with two algorithms under one kid.
//!
//! The key that signs is the one with the latest `signs_from` that has come. A new key is published `key_lead` before it signs, which is
//! longer than replicas and verifiers keep the set, and an old one stays published until no token of it can be alive.

pub(crate) mod published;
pub(crate) mod revoke;
pub(crate) mod rotate;

use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};

use anyhow::Context;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use service::keys::{Jwk, Jwks};
use service::token::Claims;
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};
use tokio::sync::watch;
use uuid::Uuid;

use crate::secret::Secret;

/// How long a key stays published after its successor began to sign: longer than any access token lives.
const AFTERLIFE: Duration = Duration::hours(2);

/// The algorithm of a signing key, fixed for its kid.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Deserialize, Serialize, utoipa::ToSchema,
)]
#[schema(as = SigningAlgorithm)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    #[value(name = "EdDSA")]
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and a 3072-bit key (RFC 7518 §3.3).
    #[value(name = "RS256")]
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Algorithm::EdDsa => "EdDSA",
            Algorithm::Rs256 => "RS256",
        }
    }
}

/// The keys of this moment, as this process last read them. Clones share them.
#[derive(Clone)]
pub(crate) struct Keys(Arc<Inner>);

struct Inner {
    secret: Secret,
    signing: RwLock<Arc<[SigningKey]>>,
    published: watch::Sender<Jwks>,
}

struct SigningKey {
    kid: String,
    signs_from: OffsetDateTime,
    pair: Pair,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Keys {
    /// Reads the keys, making the first one if there is none yet.
    pub(crate) async fn start(
        pool: &PgPool,
        secret: &Secret,
        algorithm: Algorithm,
    ) -> anyhow::Result<Keys> {
        first_key(pool, secret, algorithm).await?;
        let keys = Keys(Arc::new(Inner {
            secret: secret.clone(),
            signing: RwLock::new(Arc::new([])),
            published: watch::Sender::new(Jwks::default()),
        }));
        keys.reload(pool).await?;
        Ok(keys)
    }

    /// Reads the keys again, so that what another replica made is known here long before it signs.
    pub(crate) async fn reload(&self, pool: &PgPool) -> anyhow::Result<()> {
        let rows = sqlx::query!(
            r#"select kid, algorithm, public_key, private_key, signs_from,
                      lead(signs_from) over (order by signs_from, kid) as "successor?"
               from auth.signing_keys
               order by signs_from, kid"#,
        )
        .fetch_all(pool)
        .await
        .context("cannot read the signing keys")?;
        let now = OffsetDateTime::now_utc();
        let mut signing = Vec::new();
        let mut published = Vec::new();
        for row in rows {
            if row.successor.is_some_and(|from| from + AFTERLIFE < now) {
                continue;
            }
            let private = self.0.secret.open(&row.kid, &row.private_key)?;
            published.push(serde_json::from_str(&row.public_key)?);
            signing.push(SigningKey {
                pair: Pair::parse(&row.algorithm, &private)?,
                kid: row.kid,
                signs_from: row.signs_from,
            });
        }
        *self.0.signing.write().expect("no holder panics") = signing.into();
        self.0.published.send_if_modified(|known| {
            let changed = known.keys != published;
            known.keys = published;
            changed
        });
        Ok(())
    }

    /// Whether one of these is still in use here.
    pub(crate) fn have_any(&self, kids: &BTreeSet<String>) -> bool {
        let published = self.0.published.borrow();
        published.keys.iter().any(|key| kids.contains(&key.kid))
    }

    /// The public keys, as they change.
    pub(crate) fn published(&self) -> watch::Receiver<Jwks> {
        self.0.published.subscribe()
    }

    /// A signed access token (RFC 9068).
    pub(crate) fn sign(&self, claims: &Claims) -> anyhow::Result<String> {
        let keys = Arc::clone(&self.0.signing.read().expect("no holder panics"));
        let now = OffsetDateTime::now_utc();
        let key = keys
            .iter()
            .rfind(|key| key.signs_from <= now)
            .or(keys.first())
            .context("there is no signing key")?;
        let header = serde_json::json!({
            "alg": key.pair.algorithm().as_str(),
            "kid": key.kid,
            "typ": service::token::TYPE,
        });
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?),
        );
        let signature = key.pair.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl Pair {
    fn parse(algorithm: &str, private: &[u8]) -> anyhow::Result<Pair> {
        match algorithm {
            "EdDSA" => Ok(Pair::Ed25519(
                Ed25519KeyPair::from_pkcs8(private).context("not an Ed25519 key")?,
            )),
            "RS256" => Ok(Pair::Rsa(
                RsaKeyPair::from_pkcs8(private).context("not an RSA key")?,
            )),
            other => anyhow::bail!("unknown signing algorithm {other}"),
        }
    }

    fn generate(algorithm: Algorithm) -> anyhow::Result<Pair> {
        Ok(match algorithm {
            Algorithm::EdDsa => Pair::Ed25519(Ed25519KeyPair::generate()?),
            Algorithm::Rs256 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa3072)?),
        })
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Pair::Ed25519(_) => Algorithm::EdDsa,
            Pair::Rsa(_) => Algorithm::Rs256,
        }
    }

    fn private(&self) -> anyhow::Result<Pkcs8V1Der<'static>> {
        Ok(match self {
            Pair::Ed25519(pair) => pair.as_der()?,
            Pair::Rsa(pair) => pair.as_der()?,
        })
    }

    fn public(&self, kid: &str) -> Jwk {
        match self {
            Pair::Ed25519(pair) => Jwk::ed25519(kid, pair.public_key().as_ref()),
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                Jwk::rsa(
                    kid,
                    public.modulus().big_endian_without_leading_zero(),
                    public.exponent().big_endian_without_leading_zero(),
                )
            }
        }
    }

    fn sign(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        match self {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )?;
                Ok(signature)
            }
        }
    }
}

/// The lock under which keys are made, so that replicas that start together make one first key, and one rotation runs at a time.
async fn lock(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("lock table auth.signing_keys in share row exclusive mode")
        .execute(connection)
        .await?;
    Ok(())
}

async fn first_key(pool: &PgPool, secret: &Secret, algorithm: Algorithm) -> anyhow::Result<()> {
    let exists = || sqlx::query_scalar!(r#"select exists (select from auth.signing_keys) as "e!""#);
    if exists().fetch_one(pool).await? {
        return Ok(());
    }
    let mut tx = pool.begin().await?;
    lock(&mut tx).await?;
    if !exists().fetch_one(&mut *tx).await? {
        insert(&mut tx, secret, algorithm, OffsetDateTime::now_utc()).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Makes a key; what it returns is its kid.
async fn insert(
    connection: &mut PgConnection,
    secret: &Secret,
    algorithm: Algorithm,
    signs_from: OffsetDateTime,
) -> anyhow::Result<String> {
    let pair = tokio::task::spawn_blocking(move || Pair::generate(algorithm)).await??;
    let kid = Uuid::now_v7().simple().to_string();
    sqlx::query!(
        "insert into auth.signing_keys (kid, algorithm, public_key, private_key, signs_from)
         values ($1, $2, $3, $4, $5)",
        kid,
        algorithm.as_str(),
        serde_json::to_string(&pair.public(&kid))?,
        secret.seal(&kid, pair.private()?.as_ref())?,
        signs_from,
    )
    .execute(connection)
    .await?;
    Ok(kid)
}
