//! Tokens that auth-service would never issue, signed with its own key where the case needs that:
//! whoever runs this test has the secret file and the database.

use ::system::SECRET;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::system::System;

/// The signing key in force, and a genuine token to start from.
pub(crate) struct Forge {
    kid: String,
    public: Vec<u8>,
    pair: Ed25519KeyPair,
    claims: Value,
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    tag.as_ref().to_vec()
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

impl Forge {
    /// `genuine` is an access token as issued.
    pub(crate) async fn open(system: &System, genuine: &str) -> Self {
        let mut parts = genuine.split('.');
        let mut part = || URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap();
        let header: Value = serde_json::from_slice(&part()).unwrap();
        let claims: Value = serde_json::from_slice(&part()).unwrap();
        let kid = header["kid"].as_str().unwrap().to_owned();
        let row =
            sqlx::query("select public_key, private_key from auth.signing_keys where kid = $1")
                .bind(&kid)
                .fetch_one(&mut system.database().await)
                .await
                .unwrap();
        let sealed: Vec<u8> = row.get("private_key");
        let (nonce, cipher) = sealed.split_at(12);
        let mut clear = cipher.to_vec();
        let sealing = hmac_sha256(&SECRET, b"veritrail/seal/v1");
        let clear = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &sealing).unwrap())
            .open_in_place(
                Nonce::try_assume_unique_for_key(nonce).unwrap(),
                Aad::from(kid.as_bytes()),
                &mut clear,
            )
            .unwrap();
        let public: Value = serde_json::from_str(row.get("public_key")).unwrap();
        Self {
            pair: Ed25519KeyPair::from_pkcs8(clear).unwrap(),
            public: URL_SAFE_NO_PAD
                .decode(public["x"].as_str().unwrap())
                .unwrap(),
            kid,
            claims,
        }
    }

    fn header(&self, algorithm: &str) -> Value {
        json!({"alg": algorithm, "kid": self.kid, "typ": "at+jwt"})
    }

    /// The genuine claims with some replaced, under a good signature.
    pub(crate) fn signed(&self, replaced: &Value) -> String {
        let mut claims = self.claims.clone();
        for (name, value) in replaced.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let text = format!("{}.{}", encode(&self.header("EdDSA")), encode(&claims));
        let signature = self.pair.sign(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// Every credential that no route may take, by name. None of them may be distinguishable from
    /// another to the client beyond 401.
    pub(crate) fn refused(&self) -> Vec<(&'static str, String)> {
        let good = self.signed(&json!({}));
        let (text, signature) = good.rsplit_once('.').unwrap();
        let mut spoiled = URL_SAFE_NO_PAD.decode(signature).unwrap();
        spoiled[7] ^= 1;
        let none = format!("{}.{}.", encode(&self.header("none")), encode(&self.claims));
        let symmetric = format!("{}.{}", encode(&self.header("HS256")), encode(&self.claims));
        let mac = hmac_sha256(&self.public, symmetric.as_bytes());
        let now = self.claims["iat"].as_i64().unwrap();
        vec![
            ("no token", String::new()),
            ("malformed", "not.a.token".to_owned()),
            ("malformed key", "vtk_short".to_owned()),
            (
                "expired",
                self.signed(&json!({"iat": now - 7200, "exp": now - 3600})),
            ),
            (
                "wrong signature",
                format!("{text}.{}", URL_SAFE_NO_PAD.encode(&spoiled)),
            ),
            ("alg: none", none),
            (
                "HS256 with the public key",
                format!("{symmetric}.{}", URL_SAFE_NO_PAD.encode(mac)),
            ),
            (
                "wrong audience",
                self.signed(&json!({"aud": ["somewhere-else"]})),
            ),
            (
                "wrong issuer",
                self.signed(&json!({"iss": "http://127.0.0.1:1"})),
            ),
            (
                "tenant and tenant_id disagree",
                self.signed(&json!({"tenant": "another"})),
            ),
        ]
    }
}
