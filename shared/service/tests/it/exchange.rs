//! API keys: exchanged once for all who bring them, kept, refused, and what an outage does.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use serde_json::{Value, json};
use service::keys::Jwks;
use service::{Access, Shutdown};

use crate::auth::{Auth, access, timing};
use crate::forged::bearer;
use crate::signer::{Signer, changed, claims, claims_with, now};
use crate::wire::Server;

const KEY: &str = "vtk_0123456789abcdefghijABCDEFGHIJ-_0123456789a";
const OTHER_USER: &str = "0198c0de-0000-7000-8000-000000000002";
const OTHER: &str = "vtk_9999999999abcdefghijABCDEFGHIJ-_0123456789a";

fn service_claims(changes: &Value) -> Value {
    let key = "0198c0de-0000-7000-8000-00000000000c";
    let service = json!({"kind": "service", "roles": ["writer"], "scope": "actor:*", "key": key});
    changed(changed(claims(), &service), changes)
}

struct Setup {
    auth: Arc<Auth>,
    signer: Signer,
    server: Server,
    access: Access,
    shutdown: Shutdown,
}

impl Setup {
    async fn new() -> Self {
        let signer = Signer::ed25519();
        let auth = Arc::new(Auth::default());
        let keys = vec![signer.jwk("k")];
        *auth.keys.lock().unwrap() = Jwks { keys };
        let server = auth.serve().await;
        let shutdown = Shutdown::new();
        let access = access(&server.url(""), timing(), &shutdown);
        access.until_ready().await;
        Self {
            auth,
            signer,
            server,
            access,
            shutdown,
        }
    }

    fn grant(&self, key: &str, changes: &Value) {
        let token = self.signer.token("k", &service_claims(changes));
        self.auth.tokens.lock().unwrap().insert(key.into(), token);
    }

    async fn outcome(&self, key: &str) -> Result<(), (u16, &'static str)> {
        let outcome = self.access.authenticate(&bearer(key)).await;
        outcome
            .map(drop)
            .map_err(|error| (error.status().as_u16(), error.code()))
    }

    fn exchanges(&self) -> usize {
        self.auth.exchanges.load(Ordering::SeqCst)
    }

    fn outage(&self, broken: bool) {
        self.auth.broken.store(broken, Ordering::SeqCst);
    }

    async fn end(self) {
        self.shutdown.begin();
        self.server.stop().await;
    }
}

#[tokio::test]
async fn a_key_is_exchanged_once_for_all_who_bring_it() {
    let setup = Setup::new().await;
    setup.grant(KEY, &json!({}));
    let outcomes = join_all((0..50).map(|_| setup.outcome(KEY))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(setup.exchanges(), 1);
    setup.outage(true);
    assert_eq!(setup.outcome(KEY).await, Ok(()));
    assert_eq!(setup.exchanges(), 1);
    setup.end().await;
}

#[tokio::test]
async fn a_refusal_is_remembered() {
    let setup = Setup::new().await;
    let outcomes = join_all((0..50).map(|_| setup.outcome(KEY))).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| *outcome == Err((401, "bad_credential")))
    );
    assert_eq!(setup.exchanges(), 1);
    setup.end().await;
}

#[tokio::test]
async fn an_outage_is_503_for_keys_that_are_not_known() {
    let setup = Setup::new().await;
    setup.grant(KEY, &json!({}));
    setup.outage(true);
    let outcomes = join_all((0..50).map(|_| setup.outcome(KEY))).await;
    let unavailable = Err((503, "auth_unavailable"));
    assert!(outcomes.iter().all(|outcome| *outcome == unavailable));
    // Those who queued were told from memory instead of each waiting for auth-service.
    assert_eq!(setup.exchanges(), 1);
    setup.end().await;
}

#[tokio::test]
async fn a_token_near_its_end_is_renewed_and_used_when_it_cannot_be() {
    let setup = Setup::new().await;
    // A life of so few seconds has no fresh part that a test could meet; the next call renews.
    setup.grant(KEY, &json!({"iat": now() - 900, "exp": now() + 3}));
    assert_eq!(setup.outcome(KEY).await, Ok(()));
    setup.outage(true);
    assert_eq!(setup.outcome(KEY).await, Ok(()));
    setup.end().await;
}

#[tokio::test]
async fn only_a_service_accounts_good_token_is_accepted_for_a_key() {
    let setup = Setup::new().await;
    let bad = [
        json!({"kind": "user", "roles": ["admin"]}),
        json!({"key": null}),
        json!({"aud": ["veritrail-auth"]}),
        json!({"iat": now() - 900, "exp": now() - 1}),
    ];
    for (number, changes) in bad.iter().enumerate() {
        let key = format!("{}{number}", &OTHER[..OTHER.len() - 1]);
        setup.grant(&key, changes);
        for _ in 0..3 {
            assert_eq!(setup.outcome(&key).await.unwrap_err().0, 401, "{changes}");
        }
        assert_eq!(setup.exchanges(), number + 1, "{changes}");
    }
    let stranger = Signer::ed25519().token("k", &service_claims(&json!({})));
    setup
        .auth
        .tokens
        .lock()
        .unwrap()
        .insert(KEY.into(), stranger);
    assert_eq!(setup.outcome(KEY).await, Err((401, "bad_credential")));
    setup.end().await;
}

#[tokio::test]
async fn what_has_not_the_shape_of_a_key_is_not_exchanged() {
    let setup = Setup::new().await;
    for key in [
        "vtk_",
        "vtk_short",
        "VTK_0123456789abcdefghijABCDEFGHIJ-_0123456789a",
        "vtk_0123456789abcdefghijABCDEFGHIJ/+0123456789a",
        &format!("vtk_{}", "a".repeat(5000)),
    ] {
        assert_eq!(setup.outcome(key).await, Err((401, "bad_credential")));
    }
    assert_eq!(setup.exchanges(), 0);
    setup.end().await;
}

#[tokio::test]
async fn a_revoked_signing_key_ends_tokens_at_once_and_api_keys_go_on() {
    let setup = Setup::new().await;
    setup.grant(KEY, &json!({}));
    let token = bearer(&setup.signer.token("k", &claims()));
    let user = setup.access.authenticate(&token).await.unwrap();
    let service = setup.access.authenticate(&bearer(KEY)).await.unwrap();
    assert!(setup.access.admit_read(&user).is_ok());

    let successor = Signer::ed25519();
    *setup.auth.keys.lock().unwrap() = Jwks {
        keys: vec![successor.jwk("k2")],
    };
    let exchanged = successor.token("k2", &service_claims(&json!({})));
    {
        let mut tokens = setup.auth.tokens.lock().unwrap();
        tokens.insert(KEY.into(), exchanged);
        let mut status = setup.auth.status.lock().unwrap();
        status.signing_keys.insert("k".into());
    }
    while setup.access.feed().set().signing_keys.is_empty() {
        setup.access.feed().next().await;
    }

    // The key set that is held here still has the key; the feed alone ends what it signed.
    assert_eq!(setup.auth.jwks_calls.load(Ordering::SeqCst), 1);
    let forged = setup
        .signer
        .token("k", &claims_with(&json!({"sub": OTHER_USER})));
    let forged = setup.access.authenticate(&bearer(&forged)).await.unwrap();
    for caller in [&user, &service, &forged] {
        let refused = setup.access.admit_read(caller).unwrap_err();
        assert_eq!(refused.code(), "credential_revoked");
        assert!(!setup.access.admit_append(caller));
    }
    let renewed = setup.access.authenticate(&bearer(KEY)).await.unwrap();
    assert_eq!(&*renewed.signed_by, "k2");
    assert!(setup.access.admit_append(&renewed));
    assert_eq!(setup.exchanges(), 2);
    setup.end().await;
}
