//! What log-service asks of auth-service, served for real on a port of its own: key set and status
//! feed. It runs on its own thread, so that stopping it is as sudden as a process that dies.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::{Json, Router, routing::get};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use service::keys::{Jwk, Jwks};
use service::status::StatusSet;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use url::Url;
use uuid::Uuid;

pub(crate) const ISSUER: &str = "https://auth.test";

pub(crate) struct AuthServer {
    pub(crate) url: Url,
    signer: Arc<Ed25519KeyPair>,
    status: Arc<Mutex<StatusSet>>,
    stop: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl AuthServer {
    pub(crate) async fn start() -> Self {
        let signer = Arc::new(Ed25519KeyPair::generate().unwrap());
        let status = Arc::new(Mutex::new(StatusSet::default()));
        let key = Jwk::ed25519("test", signer.public_key().as_ref());
        let jwks = Jwks { keys: vec![key] };
        let feed = Arc::clone(&status);
        let router = Router::new()
            .route(
                "/.well-known/jwks.json",
                get(move || async move { Json(jwks) }),
            )
            .route(
                "/internal/status",
                get(move || async move { Json(feed.lock().unwrap().clone()) }),
            );
        let (stop, stopped) = oneshot::channel();
        let (address, listening) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            // Dropping the runtime drops the listener and every connection.
            runtime.unwrap().block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                address.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        let address = listening.await.unwrap();
        Self {
            url: format!("http://{address}").parse().unwrap(),
            signer,
            status,
            stop: Some((stop, thread)),
        }
    }

    /// As if the process had died: nobody listens any more when this returns.
    pub(crate) fn die(&mut self) {
        if let Some((stop, thread)) = self.stop.take() {
            stop.send(()).unwrap();
            thread.join().unwrap();
        }
    }

    pub(crate) fn set_status<R>(&self, change: impl FnOnce(&mut StatusSet) -> R) {
        change(&mut self.status.lock().unwrap());
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        let header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": "test"});
        let message = message(&header, claims);
        let signature = self.signer.sign(message.as_bytes());
        join(&message, signature.as_ref())
    }

    /// Signed with the public key as the secret of an HMAC, which a verifier takes that believes
    /// the token's own algorithm.
    pub(crate) fn confused(&self, claims: &Value) -> String {
        let header = json!({"typ": "at+jwt", "alg": "HS256", "kid": "test"});
        let message = message(&header, claims);
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.signer.public_key().as_ref());
        join(&message, hmac::sign(&key, message.as_bytes()).as_ref())
    }
}

/// Signed by nobody.
pub(crate) fn unsigned(claims: &Value) -> String {
    let header = json!({"typ": "at+jwt", "alg": "none", "kid": "test"});
    join(&message(&header, claims), &[])
}

fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn join(message: &str, signature: &[u8]) -> String {
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

impl Drop for AuthServer {
    fn drop(&mut self) {
        self.die();
    }
}

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct Somebody {
    pub(crate) id: Uuid,
    pub(crate) token: String,
}

/// A tenant as its tokens name it.
#[derive(Clone, Copy)]
pub(crate) struct TestTenant {
    pub(crate) id: Uuid,
    pub(crate) code: &'static str,
}

/// Codes that begin with one another, since prefixes are how tenants get mixed up.
pub(crate) const A: TestTenant = TestTenant {
    id: Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_00a0),
    code: "aaa",
};
pub(crate) const A_B: TestTenant = TestTenant {
    id: Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_00a1),
    code: "aaa-b",
};
pub(crate) const TENANTS: [TestTenant; 2] = [A, A_B];

impl AuthServer {
    pub(crate) fn user(&self, tenant: TestTenant, role: &str) -> Somebody {
        self.somebody(tenant, "user", &json!([role]), "")
    }

    pub(crate) fn service(&self, tenant: TestTenant, scope: &str) -> Somebody {
        self.somebody(tenant, "service", &json!(["writer"]), scope)
    }

    /// The internal principal that delivers auth-service's outbox.
    pub(crate) fn system(&self, tenant: TestTenant) -> Somebody {
        self.somebody(tenant, "system", &json!([]), "")
    }

    fn somebody(&self, tenant: TestTenant, kind: &str, roles: &Value, scope: &str) -> Somebody {
        let id = Uuid::now_v7();
        let mut claims = json!({
            "iss": ISSUER, "aud": ["veritrail-logs"], "sub": id, "kind": kind,
            "tenant_id": tenant.id, "tenant": tenant.code, "roles": roles,
            "jti": Uuid::now_v7(), "iat": now(), "exp": now() + 900,
        });
        if !scope.is_empty() {
            claims["scope"] = scope.into();
        }
        let token = self.token(&claims);
        Somebody { id, token }
    }
}
