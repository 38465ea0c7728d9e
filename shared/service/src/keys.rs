//! JSON Web Key Sets (RFC 7517): Ed25519 (RFC 8037) and RSA public keys, one algorithm for each kid.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Serialize};

/// Most keys in a set that are looked at.
const MAX_KEYS: usize = 64;
/// Bytes of an RSA modulus: 2,048 to 8,192 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// The public keys that auth-service publishes at `/.well-known/jwks.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Jwks {
    pub keys: Vec<Jwk>,
}

/// A public key, in the members that we publish and read. Unknown members are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Jwk {
    pub kid: String,
    /// `OKP` or `RSA`.
    pub kty: String,
    /// `EdDSA` or `RS256`.
    pub alg: String,
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
}

impl Jwk {
    /// An Ed25519 key from its 32 public bytes.
    pub fn ed25519(kid: impl Into<String>, public: &[u8]) -> Self {
        Self {
            kid: kid.into(),
            kty: "OKP".into(),
            alg: "EdDSA".into(),
            usage: Some("sig".into()),
            crv: Some("Ed25519".into()),
            x: Some(BASE64_URL_SAFE_NO_PAD.encode(public)),
            n: None,
            e: None,
        }
    }

    /// An RSA key from modulus and exponent, big-endian without leading zeros.
    pub fn rsa(kid: impl Into<String>, modulus: &[u8], exponent: &[u8]) -> Self {
        Self {
            kid: kid.into(),
            kty: "RSA".into(),
            alg: "RS256".into(),
            usage: Some("sig".into()),
            crv: None,
            x: None,
            n: Some(BASE64_URL_SAFE_NO_PAD.encode(modulus)),
            e: Some(BASE64_URL_SAFE_NO_PAD.encode(exponent)),
        }
    }

    /// The key to verify with and its only algorithm; None for a key that we do not use.
    fn verifying(&self) -> Option<VerifyingKey> {
        let length = |text: &str| Some(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.len());
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        match (self.kty.as_str(), self.alg.as_str(), self.crv.as_deref()) {
            ("OKP", "EdDSA", Some("Ed25519")) => {
                let x = self.x.as_deref().filter(|x| length(x) == Some(32))?;
                Some(VerifyingKey {
                    algorithm: Algorithm::EdDSA,
                    key: DecodingKey::from_ed_components(x).ok()?,
                })
            }
            ("RSA", "RS256", _) => {
                let n = self.n.as_deref()?;
                length(n).filter(|bytes| RSA_BYTES.contains(bytes))?;
                Some(VerifyingKey {
                    algorithm: Algorithm::RS256,
                    key: DecodingKey::from_rsa_components(n, self.e.as_deref()?).ok()?,
                })
            }
            _ => None,
        }
    }
}

/// A public key ready for use.
pub(crate) struct VerifyingKey {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

/// A [`Jwks`] ready for use: usable keys by kid.
#[derive(Default)]
pub(crate) struct KeySet {
    source: Jwks,
    keys: HashMap<String, VerifyingKey>,
}

impl KeySet {
    /// Keys of other kinds are left out, and so is every key of a kid that stands there twice.
    pub(crate) fn new(source: Jwks) -> Self {
        let mut keys = HashMap::new();
        for jwk in source.keys.iter().take(MAX_KEYS) {
            let same = source.keys.iter().filter(|other| other.kid == jwk.kid);
            match jwk.verifying() {
                Some(key) if same.count() == 1 => _ = keys.insert(jwk.kid.clone(), key),
                _ => tracing::warn!(kid = jwk.kid, "key not usable"),
            }
        }
        Self { source, keys }
    }

    pub(crate) fn get(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.get(kid)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn source(&self) -> &Jwks {
        &self.source
    }

    /// Whether every key of the older set is still in this one, so that what was verified with
    /// the older set still holds.
    pub(crate) fn extends(&self, older: &Self) -> bool {
        let here = &self.source.keys;
        older.source.keys.iter().all(|key| here.contains(key))
    }
}
