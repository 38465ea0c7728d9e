//! Every way to forge a token, against the one verification that all services share.

use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};
use service::access::LOGS_AUDIENCE;
use service::exchange::{self, Source};
use service::keys::{Jwk, Jwks};
use service::status::{Feed, StatusSet};
use service::{Access, ApiError, Caller, Kind, Role};
use tokio::sync::watch;

use crate::signer::{
    ISSUER, OTHER_TENANT, Signer, TENANT, USER, changed, claims, claims_with, hs256, join, message,
    now,
};

pub(crate) fn no_keys() -> Source {
    Source::local(|_| Box::pin(async { Err(exchange::Error::Refused) }))
}

/// An access that knows these keys and that everything is in order.
pub(crate) fn access(keys: Vec<Jwk>) -> (Access, Feed, watch::Sender<Jwks>) {
    let (sender, keys) = watch::channel(Jwks { keys });
    let feed = Feed::new();
    feed.replace(StatusSet::default());
    let access = Access::local(ISSUER, LOGS_AUDIENCE, keys, feed.clone(), no_keys());
    (access, feed, sender)
}

pub(crate) fn bearer(credential: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {credential}")).unwrap();
    HeaderMap::from_iter([(header::AUTHORIZATION, value)])
}

async fn verdict(access: &Access, token: &str) -> Result<Caller, &'static str> {
    let verdict = access.authenticate(&bearer(token)).await;
    verdict.map_err(|error| match error {
        ApiError::Unauthorized { code } => code,
        other => panic!("401 expected: {other}"),
    })
}

#[tokio::test]
async fn good_tokens_of_both_algorithms_pass() {
    let (ed25519, rsa) = (Signer::ed25519(), Signer::rsa());
    let (access, ..) = access(vec![ed25519.jwk("ed"), rsa.jwk("rsa")]);
    for token in [ed25519.token("ed", &claims()), rsa.token("rsa", &claims())] {
        // The second time it comes from the cache.
        for _ in 0..2 {
            let caller = verdict(&access, &token).await.unwrap();
            assert_eq!(caller.principal.to_string(), format!("user:{USER}"));
            assert_eq!(caller.tenant().unwrap().code, "acme");
            assert!(caller.roles.contains(Role::Admin));
        }
    }
}

#[tokio::test]
async fn operators_services_and_the_installation_pass() {
    let signer = Signer::ed25519();
    let (access, ..) = access(vec![signer.jwk("k")]);
    let operator = json!({"tenant": null, "tenant_id": null, "roles": ["operator"]});
    let service =
        json!({"kind": "service", "roles": ["writer"], "scope": "actor:* action:invoice"});
    let system = json!({"kind": "system", "roles": [], "aud": ["veritrail-logs"]});
    for (changes, kind) in [
        (operator, Kind::User),
        (service, Kind::Service),
        (system, Kind::System),
    ] {
        let token = signer.token("k", &claims_with(&changes));
        let caller = verdict(&access, &token).await.unwrap();
        assert_eq!(caller.principal.kind, kind);
    }
}

#[tokio::test]
async fn forged_headers_and_signatures_are_refused() {
    let (signer, rsa, stranger) = (Signer::ed25519(), Signer::rsa(), Signer::ed25519());
    let (access, ..) = access(vec![signer.jwk("ed"), rsa.jwk("rsa")]);
    let header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": "ed"});
    let with = |changes: Value| changed(header.clone(), &changes);
    let good = signer.token("ed", &claims());
    let (text, signature) = good.rsplit_once('.').unwrap();

    let mut forged: Vec<(&str, String)> = vec![
        ("empty", String::new()),
        ("garbage", "garbage".into()),
        ("dots", "..".into()),
        ("no signature", text.into()),
        ("empty signature", format!("{text}.")),
        ("four parts", format!("{good}.x")),
        ("padded", format!("{good}=")),
        ("space", format!("{good} ")),
        ("too long", format!("{}{good}", "e".repeat(5000))),
        ("stranger's signature", stranger.token("ed", &claims())),
        ("other key's signature", signer.token("rsa", &claims())),
        ("unknown kid", signer.token("nobody", &claims())),
    ];
    let parts = signer.token("ed", &claims_with(&json!({"roles": ["auditor"]})));
    let body = parts.split('.').nth(1).unwrap();
    let head = text.split('.').next().unwrap();
    forged.push(("other claims", format!("{head}.{body}.{signature}")));
    for (what, header) in [
        ("alg none", with(json!({"alg": "none"}))),
        ("alg None", with(json!({"alg": "None"}))),
        ("no alg", with(json!({"alg": null}))),
        ("alg of another key", with(json!({"alg": "RS256"}))),
        ("kid of another key", with(json!({"kid": "rsa"}))),
        ("no kid", with(json!({"kid": null}))),
        ("typ JWT", with(json!({"typ": "JWT"}))),
        ("typ in capitals", with(json!({"typ": "AT+JWT"}))),
        ("no typ", with(json!({"typ": null}))),
        ("crit", with(json!({"crit": ["exp"]}))),
    ] {
        forged.push((what, signer.sign(&header, &claims())));
        let unsigned = message(&header, &claims());
        forged.push((what, format!("{unsigned}.")));
    }
    for key in [&signer, &rsa] {
        for kid in ["ed", "rsa"] {
            let text = message(&with(json!({"alg": "HS256", "kid": kid})), &claims());
            let hmac = hs256(&key.public_bytes(), &text);
            forged.push(("HS256 with the public key", join(&text, &hmac)));
            let text = message(&with(json!({"kid": kid})), &claims());
            let hmac = hs256(&key.public_bytes(), &text);
            forged.push(("HS256 under another name", join(&text, &hmac)));
        }
    }
    for (what, token) in forged {
        let verdict = verdict(&access, &token).await;
        assert_eq!(verdict.err(), Some("bad_credential"), "{what}: {token}");
    }
    assert!(verdict(&access, &good).await.is_ok());
}

#[tokio::test]
async fn wrong_claims_are_refused() {
    let signer = Signer::ed25519();
    let (access, ..) = access(vec![signer.jwk("k")]);
    let bad = [
        json!({"iss": "https://elsewhere.test"}),
        json!({"iss": null}),
        json!({"aud": ["veritrail-auth"]}),
        json!({"aud": []}),
        json!({"aud": null}),
        json!({"exp": null}),
        json!({"exp": "tomorrow"}),
        json!({"exp": i64::MAX}),
        json!({"exp": now() + 100 * 24 * 3600}),
        json!({"iat": null}),
        json!({"iat": now() + 3600, "exp": now() + 7200}),
        json!({"iat": i64::MIN}),
        json!({"nbf": now() + 3600}),
        json!({"sub": null}),
        json!({"sub": "somebody"}),
        json!({"jti": null}),
        json!({"kind": null}),
        json!({"kind": "root"}),
        json!({"roles": null}),
        json!({"roles": []}),
        json!({"roles": ["root"]}),
        json!({"roles": "admin"}),
        json!({"roles": ["operator"]}),
        json!({"roles": ["operator", "admin"], "tenant": null, "tenant_id": null}),
        json!({"tenant": null}),
        json!({"tenant_id": null}),
        json!({"tenant": null, "tenant_id": null}),
        json!({"tenant": ""}),
        json!({"tenant": "Acme"}),
        json!({"tenant": "acme--eu"}),
        json!({"tenant": "acme/../b"}),
        json!({"tenant": "a-code-that-is-far-too-long"}),
        json!({"tenant_id": "acme"}),
        json!({"tenant_id": "00000000-0000-0000-0000-000000000000"}),
        json!({"kind": "system"}),
        json!({"kind": "system", "roles": [], "tenant": null, "tenant_id": null}),
        json!({"kind": "service", "roles": ["operator"], "tenant": null, "tenant_id": null}),
        json!({"kind": "service", "roles": ["writer"], "scope": "everything"}),
    ];
    for changes in bad {
        let token = signer.token("k", &claims_with(&changes));
        let verdict = verdict(&access, &token).await;
        assert_eq!(verdict.err(), Some("bad_credential"), "{changes}");
    }
    let old = json!({"iat": now() - 1000, "exp": now()});
    let verdict = verdict(&access, &signer.token("k", &claims_with(&old))).await;
    assert_eq!(verdict.err(), Some("token_expired"));
}

#[tokio::test]
async fn tenant_and_id_that_disagree_are_refused() {
    let signer = Signer::ed25519();
    let (access, ..) = access(vec![signer.jwk("k")]);
    let token = |id: &str, code: &str| {
        signer.token("k", &claims_with(&json!({"tenant_id": id, "tenant": code})))
    };
    assert!(verdict(&access, &token(TENANT, "a")).await.is_ok());
    assert!(verdict(&access, &token(OTHER_TENANT, "a-b")).await.is_ok());
    for (id, code) in [
        (TENANT, "a-b"),
        (OTHER_TENANT, "a"),
        (TENANT, "a-b-c"),
        (USER, "a"),
    ] {
        let verdict = verdict(&access, &token(id, code)).await;
        assert_eq!(verdict.err(), Some("bad_credential"), "{id} {code}");
    }
    assert!(verdict(&access, &token(TENANT, "a")).await.is_ok());
}

#[tokio::test]
async fn a_withdrawn_key_ends_what_it_signed() {
    let (old, new) = (Signer::ed25519(), Signer::ed25519());
    let (access, _, keys) = access(vec![old.jwk("old")]);
    let (first, second) = (old.token("old", &claims()), new.token("new", &claims()));
    assert!(verdict(&access, &first).await.is_ok());
    assert!(verdict(&access, &second).await.is_err());
    keys.send_modify(|set| set.keys.push(new.jwk("new")));
    assert!(verdict(&access, &first).await.is_ok());
    assert!(verdict(&access, &second).await.is_ok());
    keys.send_modify(|set| set.keys.retain(|key| key.kid == "new"));
    assert!(verdict(&access, &first).await.is_err());
    assert!(verdict(&access, &second).await.is_ok());
}

#[tokio::test]
async fn unusable_keys_verify_nothing() {
    let (signer, other) = (Signer::ed25519(), Signer::ed25519());
    let mut encrypting = signer.jwk("encrypting");
    encrypting.usage = Some("enc".into());
    let mut renamed = signer.jwk("renamed");
    renamed.alg = "RS256".into();
    let keys = vec![encrypting, renamed, signer.jwk("twice"), other.jwk("twice")];
    let (access, ..) = access(keys);
    for kid in ["encrypting", "renamed", "twice"] {
        let verdict = verdict(&access, &signer.token(kid, &claims())).await;
        assert_eq!(verdict.err(), Some("bad_credential"), "{kid}");
    }
}

#[tokio::test]
async fn only_one_bearer_credential_in_the_header_counts() {
    let signer = Signer::ed25519();
    let (access, ..) = access(vec![signer.jwk("k")]);
    let token = signer.token("k", &claims());
    let code = async |headers: HeaderMap| match access.authenticate(&headers).await {
        Err(ApiError::Unauthorized { code }) => code,
        other => panic!("401 expected: {other:?}"),
    };
    assert_eq!(code(HeaderMap::new()).await, "no_credential");
    let mut twice = bearer(&token);
    twice.append(header::AUTHORIZATION, twice[header::AUTHORIZATION].clone());
    assert_eq!(code(twice).await, "bad_credential");
    for scheme in ["Basic", "Token", ""] {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&format!("{scheme} {token}")).unwrap();
        headers.insert(header::AUTHORIZATION, value);
        assert_eq!(code(headers).await, "bad_credential", "{scheme}");
    }
}
