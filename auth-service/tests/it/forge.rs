//! Tokens that nobody should believe, and some that only lie: signed with the installation's own key, opened here from database and secret file with code of its own.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::installation::{Installation, claims};

pub(crate) struct Forge {
    pair: Ed25519KeyPair,
    header: Value,
    claims: Value,
}

impl Forge {
    /// With the claims of a good token to start from.
    pub(crate) async fn open(it: &Installation, token: &str) -> Forge {
        let row: (String, Vec<u8>) =
            sqlx::query_as("select kid, private_key from auth.signing_keys")
                .fetch_one(&it.pool)
                .await
                .unwrap();
        let (kid, sealed) = row;
        let text = std::fs::read_to_string(&it.config.secret_file).unwrap();
        let pairs = text.trim().as_bytes().chunks(2);
        let secret: Vec<u8> = pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let key = hmac::sign(&secret, b"veritrail/seal/v1");
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
        let nonce = Nonce::try_assume_unique_for_key(&sealed[..12]).unwrap();
        let mut buffer = sealed[12..].to_vec();
        let private = key
            .open_in_place(nonce, Aad::from(kid.as_bytes()), &mut buffer)
            .unwrap();
        Forge {
            pair: Ed25519KeyPair::from_pkcs8(private).unwrap(),
            header: json!({"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}),
            claims: claims(token),
        }
    }

    /// Signed with the real key, whatever it says.
    pub(crate) fn claiming(&self, changes: &Value) -> String {
        sign(&self.header, &merged(&self.claims, changes), &self.pair)
    }

    fn headed(&self, changes: &Value) -> String {
        sign(&merged(&self.header, changes), &self.claims, &self.pair)
    }

    /// Each with its name; all of them must be refused with 401.
    pub(crate) fn forgeries(&self, other_tenant: &str) -> Vec<(&'static str, String)> {
        let good = self.claiming(&json!({}));
        let now = self.claims["iat"].as_i64().unwrap();
        let none = merged(&self.header, &json!({"alg": "none"}));
        let message = format!("{}.{}", encode(&none), encode(&self.claims));
        let hs256 = merged(&self.header, &json!({"alg": "HS256"}));
        let confused = format!("{}.{}", encode(&hs256), encode(&self.claims));
        let public = hmac::Key::new(hmac::HMAC_SHA256, self.pair.public_key().as_ref());
        let tag = hmac::sign(&public, confused.as_bytes());
        let stranger = Ed25519KeyPair::generate().unwrap();
        let mut flipped = good.clone().into_bytes();
        let at = flipped.len() - 10;
        flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
        vec![
            ("nonsense", "nonsense".to_owned()),
            ("three parts", "a.b.c".to_owned()),
            (
                "no such key",
                "vtk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            ),
            ("alg none", format!("{message}.")),
            (
                "public key as secret",
                format!("{confused}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref())),
            ),
            ("another key", sign(&self.header, &self.claims, &stranger)),
            ("changed signature", String::from_utf8(flipped).unwrap()),
            ("unknown kid", self.headed(&json!({"kid": "other"}))),
            ("another type", self.headed(&json!({"typ": "JWT"}))),
            (
                "expired",
                self.claiming(&json!({"iat": now - 2000, "exp": now - 1000})),
            ),
            ("no expiry", self.claiming(&json!({"exp": null}))),
            (
                "another audience",
                self.claiming(&json!({"aud": ["veritrail-logs"]})),
            ),
            (
                "another issuer",
                self.claiming(&json!({"iss": "http://auth.evil"})),
            ),
            (
                "tenant without id",
                self.claiming(&json!({"tenant_id": null, "tenant": "demo"})),
            ),
            (
                "another tenant's id",
                self.claiming(&json!({"tenant_id": other_tenant, "tenant": "demo"})),
            ),
        ]
    }
}

fn sign(header: &Value, claims: &Value, pair: &Ed25519KeyPair) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = pair.sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

fn merged(base: &Value, changes: &Value) -> Value {
    let mut merged = base.clone();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => merged.as_object_mut().unwrap().remove(name),
            value => merged
                .as_object_mut()
                .unwrap()
                .insert(name.clone(), value.clone()),
        };
    }
    merged
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}
