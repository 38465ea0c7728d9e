//! Tokens made by hand, so that every wrong one can be made too.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use service::keys::Jwk;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const ISSUER: &str = "https://auth.test";

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

pub(crate) enum Signer {
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Signer {
    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    pub(crate) fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    pub(crate) fn jwk(&self, kid: &str) -> Jwk {
        match self {
            Self::Ed25519(pair) => Jwk::ed25519(kid, pair.public_key().as_ref()),
            Self::Rsa(pair) => {
                let public = pair.public_key();
                let modulus = public.modulus().big_endian_without_leading_zero();
                let exponent = public.exponent().big_endian_without_leading_zero();
                Jwk::rsa(kid, modulus, exponent)
            }
        }
    }

    /// What somebody who takes an HMAC's secret from the key set would use.
    pub(crate) fn public_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
            Self::Rsa(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
        }
    }

    pub(crate) fn signature(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )
                .unwrap();
                signature
            }
        }
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "EdDSA",
            Self::Rsa(_) => "RS256",
        }
    }

    /// A token under a good header.
    pub(crate) fn token(&self, kid: &str, claims: &Value) -> String {
        let header = json!({"typ": "at+jwt", "alg": self.algorithm(), "kid": kid});
        self.sign(&header, claims)
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = self.signature(message.as_bytes());
        join(&message, &signature)
    }
}

pub(crate) fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

pub(crate) fn join(message: &str, signature: &[u8]) -> String {
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

pub(crate) fn hs256(secret: &[u8], message: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
}

pub(crate) const USER: &str = "0198c0de-0000-7000-8000-000000000001";
pub(crate) const TENANT: &str = "0198c0de-0000-7000-8000-00000000000a";
pub(crate) const OTHER_TENANT: &str = "0198c0de-0000-7000-8000-00000000000b";

/// A good admin of tenant `acme`.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": ["veritrail-auth", "veritrail-logs"],
        "sub": USER,
        "kind": "user",
        "tenant_id": TENANT,
        "tenant": "acme",
        "roles": ["admin"],
        "jti": "0198c0de-0000-7000-8000-0000000000ff",
        "iat": now(),
        "exp": now() + 900,
    })
}

/// The claims with some members replaced; null takes one away.
pub(crate) fn claims_with(changes: &Value) -> Value {
    changed(claims(), changes)
}

pub(crate) fn changed(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        } else {
            object[name] = value.clone();
        }
    }
    object
}
