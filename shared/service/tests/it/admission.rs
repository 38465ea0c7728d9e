//! What the status feed changes, and what its silence changes. Time is paused, so nothing waits.

use std::time::Duration;

use serde_json::{Value, json};
use service::status::{StatusSet, TenantStatus};
use service::{Access, ApiError, Caller, Permission};
use tokio::time::advance;
use uuid::Uuid;

use crate::forged::{access, bearer};
use crate::signer::{Signer, TENANT, USER, claims_with, now};

const KEY: &str = "0198c0de-0000-7000-8000-00000000000c";

async fn caller(access: &Access, signer: &Signer, changes: &Value) -> Caller {
    let token = signer.token("k", &claims_with(changes));
    access.authenticate(&bearer(&token)).await.unwrap()
}

fn code(outcome: Result<(), ApiError>) -> &'static str {
    outcome.err().map_or("ok", |error| error.code())
}

/// Read, change and append, in this order.
fn all(access: &Access, caller: &Caller) -> [&'static str; 3] {
    let append = code(access.admit_write(caller));
    assert_eq!(access.admit_append(caller), append == "ok");
    [
        code(access.admit_read(caller)),
        code(access.admit_change(caller)),
        append,
    ]
}

fn id(text: &str) -> Uuid {
    text.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn tenants_principals_and_keys_that_are_not_in_order() {
    let signer = Signer::ed25519();
    let (access, feed, _) = access(vec![signer.jwk("k")]);
    let user = caller(&access, &signer, &json!({})).await;
    let service = json!({"kind": "service", "roles": ["writer"], "key": KEY});
    let service = caller(&access, &signer, &service).await;
    let system = caller(&access, &signer, &json!({"kind": "system", "roles": []})).await;
    let operator = json!({"tenant": null, "tenant_id": null, "roles": ["operator"]});
    let operator = caller(&access, &signer, &operator).await;
    let fine = ["ok"; 3];

    let status = |status| StatusSet {
        tenants: [(id(TENANT), status)].into(),
        ..StatusSet::default()
    };
    assert_eq!(all(&access, &user), fine);
    feed.replace(status(TenantStatus::Suspended));
    assert_eq!(all(&access, &user), ["tenant_suspended"; 3]);
    assert_eq!(all(&access, &service), ["tenant_suspended"; 3]);
    assert_eq!(all(&access, &system), fine);
    assert_eq!(all(&access, &operator), fine);

    feed.replace(status(TenantStatus::Archived));
    let archived = ["ok", "tenant_archived", "tenant_archived"];
    assert_eq!(all(&access, &user), archived);
    assert_eq!(all(&access, &system), fine);

    feed.replace(StatusSet {
        principals: [id(USER)].into(),
        ..StatusSet::default()
    });
    assert_eq!(all(&access, &user), ["credential_revoked"; 3]);

    feed.replace(StatusSet {
        keys: [id(KEY)].into(),
        ..StatusSet::default()
    });
    assert_eq!(all(&access, &service), ["credential_revoked"; 3]);
    assert_eq!(all(&access, &user), fine);

    // Whoever he is and however new his token: the key that signed it is somebody else's too.
    feed.replace(StatusSet {
        signing_keys: ["k".to_owned()].into(),
        ..StatusSet::default()
    });
    for caller in [&user, &service, &system, &operator] {
        assert_eq!(all(&access, caller), ["credential_revoked"; 3]);
    }
    feed.replace(StatusSet {
        signing_keys: ["another".to_owned()].into(),
        ..StatusSet::default()
    });
    assert_eq!(all(&access, &user), fine);

    for (not_before, expected) in [
        (now() - 100, fine),
        (now() + 100, ["credential_revoked"; 3]),
    ] {
        feed.replace(StatusSet {
            not_before: [(id(USER), not_before)].into(),
            ..StatusSet::default()
        });
        assert_eq!(all(&access, &user), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_feed_stops_reads_at_once_and_appends_after_the_grace() {
    let signer = Signer::ed25519();
    let (access, feed, _) = access(vec![signer.jwk("k")]);
    let user = caller(&access, &signer, &json!({})).await;
    advance(Duration::from_secs(5)).await;
    assert_eq!(all(&access, &user), ["ok"; 3]);
    assert!(access.ready().is_ok());
    advance(Duration::from_millis(1)).await;
    assert_eq!(all(&access, &user), ["status_stale", "status_stale", "ok"]);
    assert!(access.ready().is_err());
    advance(Duration::from_millis(54_999)).await;
    assert_eq!(all(&access, &user), ["status_stale", "status_stale", "ok"]);
    advance(Duration::from_millis(1)).await;
    assert_eq!(all(&access, &user), ["status_stale"; 3]);
    feed.confirm();
    assert_eq!(all(&access, &user), ["ok"; 3]);
}

#[tokio::test(start_paused = true)]
async fn what_was_known_holds_during_the_grace() {
    let signer = Signer::ed25519();
    let (access, feed, _) = access(vec![signer.jwk("k")]);
    let user = caller(&access, &signer, &json!({})).await;
    feed.replace(StatusSet {
        tenants: [(id(TENANT), TenantStatus::Suspended)].into(),
        ..StatusSet::default()
    });
    advance(Duration::from_secs(30)).await;
    assert_eq!(code(access.admit_write(&user)), "tenant_suspended");
}

#[tokio::test]
async fn roles_and_scopes_permit_what_they_should() {
    use Permission as P;
    let signer = Signer::ed25519();
    let (access, ..) = access(vec![signer.jwk("k")]);
    let every = [
        P::Append,
        P::Read,
        P::ReadPersonal,
        P::ReadSystem,
        P::Audit,
        P::Export,
        P::ManagePartitions,
        P::ManageUsers,
        P::ManageTenants,
    ];
    let operator = json!({"tenant": null, "tenant_id": null, "roles": ["operator"]});
    let creates = "partition:billing partitions:create";
    let creator = json!({"kind": "service", "roles": ["writer"], "scope": creates});
    for (changes, permitted) in [
        (operator, &[P::ManageTenants][..]),
        (json!({"roles": ["admin"]}), &every[..8]),
        (json!({"roles": ["auditor"]}), &every[1..6]),
        (json!({"roles": ["viewer"]}), &[P::Read]),
        (json!({"roles": ["writer"]}), &[P::Append]),
        (json!({"kind": "system", "roles": []}), &[P::Append]),
        (creator, &[P::Append, P::ManagePartitions]),
    ] {
        let caller = caller(&access, &signer, &changes).await;
        for permission in every {
            let expected = permitted.contains(&permission);
            assert_eq!(caller.may(permission), expected, "{changes} {permission:?}");
            assert_eq!(caller.require(permission).is_ok(), expected);
        }
    }
}

#[tokio::test]
async fn what_a_caller_may_write_into_an_entry() {
    let signer = Signer::ed25519();
    let (access, ..) = access(vec![signer.jwk("k")]);
    let user = caller(&access, &signer, &json!({})).await;
    assert!(user.may_record_actor("user", USER));
    assert!(!user.may_record_actor("user", TENANT));
    assert!(!user.may_record_actor("service", USER));
    assert!(user.may_append_to("default") && !user.may_append_to("system"));

    let scope = "actor:user partition:billing action:invoice";
    let service = json!({"kind": "service", "roles": ["writer"], "scope": scope});
    let service = caller(&access, &signer, &service).await;
    assert!(service.may_record_actor("user", "anybody"));
    assert!(!service.may_record_actor("webhook", "anybody"));
    assert!(service.may_append_to("billing") && !service.may_append_to("default"));
    assert!(service.may_record_action("invoice") && service.may_record_action("invoice.paid"));
    assert!(!service.may_record_action("invoices.paid") && !service.may_record_action("login"));

    let any = "actor:* partition:* action:*";
    let any = json!({"kind": "service", "roles": ["writer"], "scope": any});
    let any = caller(&access, &signer, &any).await;
    assert!(any.may_append_to("default") && !any.may_append_to("system"));

    let system = caller(&access, &signer, &json!({"kind": "system", "roles": []})).await;
    assert!(system.may_append_to("system") && !system.may_append_to("default"));
    assert!(system.may_record_actor("user", USER) && system.may_record_action("login"));
}
