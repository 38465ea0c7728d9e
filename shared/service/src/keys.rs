//! JSON Web Key Sets (RFC 7517): Ed25519 (RFC 8037) and RSA public keys, one algorithm for each kid.

use serde::{Deserialize, Serialize};

/// The public keys that auth-service publishes at `/.well-known/jwks.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    pub keys: Vec<Jwk>,
}

/// A public key, in the members that we publish and read. Unknown members are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        let _ = (kid.into(), public);
        todo!()
    }

    /// An RSA key from modulus and exponent, big-endian without leading zeros.
    pub fn rsa(kid: impl Into<String>, modulus: &[u8], exponent: &[u8]) -> Self {
        let _ = (kid.into(), modulus, exponent);
        todo!()
    }
}
