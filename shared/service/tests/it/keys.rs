//! Key set and status feed from an auth-service elsewhere, with its outages.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use service::access::Timing;
use service::http::Limits;
use service::keys::Jwks;
use service::status::{StatusSet, TenantStatus};
use service::{ApiError, Shutdown};

use crate::auth::{Auth, access, timing};
use crate::forged::bearer;
use crate::signer::{Signer, TENANT, claims, claims_with};
use crate::wire::Server;

fn auth_with(signer: &Signer) -> Arc<Auth> {
    let auth = Arc::new(Auth::default());
    let keys = vec![signer.jwk("k")];
    *auth.keys.lock().unwrap() = Jwks { keys };
    auth
}

fn code(error: &ApiError) -> (u16, &'static str) {
    (error.status().as_u16(), error.code())
}

#[tokio::test]
async fn a_service_may_start_before_auth_service() {
    let signer = Signer::ed25519();
    let auth = auth_with(&signer);
    // A port that is nobody's now and auth-service's later.
    let nobody = Server::start(auth.router(), Limits::default()).await;
    let (address, url) = (nobody.address, nobody.url(""));
    nobody.stop().await;
    let shutdown = Shutdown::new();
    let access = access(&url, timing(), &shutdown);
    let token = bearer(&signer.token("k", &claims()));
    let refused = access.authenticate(&token).await.unwrap_err();
    assert_eq!(code(&refused), (503, "auth_unavailable"));
    assert!(access.ready().is_err());

    let server = Server::start_on(address, auth.router(), Limits::default()).await;
    access.until_ready().await;
    let patient = Timing {
        keys_pause: Duration::ZERO,
        ..timing()
    };
    let access = crate::auth::access(&url, patient, &shutdown);
    access.until_ready().await;
    let caller = access.authenticate(&token).await.unwrap();
    assert!(access.admit_read(&caller).is_ok());
    shutdown.begin();
    server.stop().await;
}

#[tokio::test]
async fn keys_and_verified_tokens_outlive_auth_service() {
    let signer = Signer::ed25519();
    let auth = auth_with(&signer);
    let server = auth.serve().await;
    let shutdown = Shutdown::new();
    let access = access(&server.url(""), timing(), &shutdown);
    access.until_ready().await;
    server.stop().await;
    // A token that was never seen is verified with the keys that are there.
    for kind in ["admin", "auditor"] {
        let token = signer.token("k", &claims_with(&json!({"roles": [kind]})));
        for _ in 0..2 {
            assert!(access.authenticate(&bearer(&token)).await.is_ok());
        }
    }
    let unknown = bearer(&signer.token("new", &claims()));
    let refused = access.authenticate(&unknown).await.unwrap_err();
    assert_eq!(code(&refused), (503, "auth_unavailable"));
    shutdown.begin();
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_once_in_a_while() {
    let (old, new) = (Signer::ed25519(), Signer::rsa());
    let auth = auth_with(&old);
    let server = auth.serve().await;
    let shutdown = Shutdown::new();
    let access = access(&server.url(""), timing(), &shutdown);
    access.until_ready().await;
    let before = auth.jwks_calls.load(Ordering::SeqCst);
    auth.keys.lock().unwrap().keys.push(new.jwk("new"));
    let tokens: Vec<_> = (0..20)
        .map(|number| {
            let jti = format!("0198c0de-0000-7000-8000-0000000000{number:02}");
            bearer(&new.token("new", &claims_with(&json!({"jti": jti}))))
        })
        .collect();
    let all = tokens.iter().map(|token| access.authenticate(token));
    for outcome in futures_util::future::join_all(all).await {
        assert!(outcome.is_ok());
    }
    for number in 0..20 {
        let token = bearer(&old.token(&format!("made-up-{number}"), &claims()));
        let refused = access.authenticate(&token).await.unwrap_err();
        assert_eq!(code(&refused), (401, "bad_credential"));
    }
    assert_eq!(auth.jwks_calls.load(Ordering::SeqCst), before + 1);
    shutdown.begin();
    server.stop().await;
}

#[tokio::test]
async fn the_feed_is_polled_and_unchanged_sets_are_not_sent_again() {
    let signer = Signer::ed25519();
    let auth = auth_with(&signer);
    let server = auth.serve().await;
    let shutdown = Shutdown::new();
    let access = access(&server.url(""), timing(), &shutdown);
    access.until_ready().await;
    let token = bearer(&signer.token("k", &claims()));
    let caller = access.authenticate(&token).await.unwrap();
    while auth.unchanged.load(Ordering::SeqCst) < 2 {
        access.feed().next().await;
    }
    assert!(access.admit_read(&caller).is_ok());
    *auth.status.lock().unwrap() = StatusSet {
        tenants: [(TENANT.parse().unwrap(), TenantStatus::Suspended)].into(),
        ..StatusSet::default()
    };
    while access.feed().set().tenants.is_empty() {
        access.feed().next().await;
    }
    let refused = access.admit_read(&caller).unwrap_err();
    assert_eq!(code(&refused), (403, "tenant_suspended"));
    shutdown.begin();
    server.stop().await;
}

#[tokio::test]
async fn a_broken_auth_service_is_asked_until_it_answers() {
    let signer = Signer::ed25519();
    let auth = auth_with(&signer);
    let server = auth.serve().await;
    auth.broken.store(true, Ordering::SeqCst);
    let shutdown = Shutdown::new();
    let access = access(&server.url(""), timing(), &shutdown);
    while auth.status_calls.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    assert!(access.ready().is_err() && access.feed().age().is_none());
    auth.broken.store(false, Ordering::SeqCst);
    access.until_ready().await;
    shutdown.begin();
    server.stop().await;
}
