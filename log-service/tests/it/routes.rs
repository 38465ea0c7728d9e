//! Every route: described, closed to strangers, and closed to the wrong roles.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use service::status::TenantStatus;

use crate::auth::{A, A_B, AuthServer, ISSUER, Somebody, now, unsigned};
use crate::world::{EVERYTHING, World, request};

/// Who may use a route at all: user roles, and `backend` for a service account with all scopes.
struct Route {
    method: &'static str,
    path: &'static str,
    may: &'static [&'static str],
}

/// Asked for as neither a WebSocket nor events: refused, but only to whoever may ask.
const STREAM: &str = "/api/v1/logs/stream";
const READERS: &[&str] = &["admin", "auditor", "viewer"];
const VERIFIERS: &[&str] = &["admin", "auditor"];
const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/api/v1/logs",
        may: &["admin", "backend"],
    },
    Route {
        method: "POST",
        path: "/api/v1/logs/bulk",
        may: &["admin", "backend"],
    },
    Route {
        method: "GET",
        path: "/api/v1/logs",
        may: READERS,
    },
    Route {
        method: "GET",
        path: STREAM,
        may: READERS,
    },
    Route {
        method: "GET",
        path: "/api/v1/logs/stats",
        may: READERS,
    },
    Route {
        method: "GET",
        path: "/api/v1/logs/{id}",
        may: READERS,
    },
    Route {
        method: "GET",
        path: "/api/v1/logs/{id}/evidence",
        may: VERIFIERS,
    },
    Route {
        method: "GET",
        path: "/api/v1/partitions",
        may: READERS,
    },
    Route {
        method: "POST",
        path: "/api/v1/partitions",
        may: &["admin"],
    },
    Route {
        method: "GET",
        path: "/api/v1/partitions/{p}/evidence",
        may: VERIFIERS,
    },
    Route {
        method: "GET",
        path: "/api/v1/partitions/{p}/verify",
        may: VERIFIERS,
    },
    Route {
        method: "GET",
        path: "/api/v1/ids/unclaimed",
        may: VERIFIERS,
    },
    Route {
        method: "GET",
        path: "/api/v1/logs/export",
        may: VERIFIERS,
    },
    Route {
        method: "GET",
        path: "/api/v1/exports",
        may: VERIFIERS,
    },
    Route {
        method: "POST",
        path: "/api/v1/exports",
        may: VERIFIERS,
    },
    Route {
        method: "GET",
        path: "/api/v1/exports/{id}",
        may: VERIFIERS,
    },
    Route {
        method: "GET",
        path: "/api/v1/exports/{id}/download",
        may: VERIFIERS,
    },
    // The last: there is nothing to download behind it.
    Route {
        method: "DELETE",
        path: "/api/v1/exports/{id}",
        may: VERIFIERS,
    },
];

fn call(route: &Route, token: Option<&str>, id: &str) -> Request<Body> {
    let path = route.path.replace("{id}", id).replace("{p}", "default");
    let mut request = Request::builder().method(route.method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = match route.path {
        "/api/v1/logs" => json!({"action": "a"}),
        "/api/v1/logs/bulk" => json!({"entries": [{"action": "a"}]}),
        "/api/v1/exports" => json!({"format": "jsonl"}),
        _ => json!({"partition": "default"}),
    };
    if route.method == "POST" {
        return request
            .header("content-type", "application/json")
            .body(body.to_string().into())
            .unwrap();
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn the_description_and_the_table_have_the_same_routes() {
    let world = World::start().await;
    let answer = world
        .send(Request::get("/openapi.json").body(Body::empty()).unwrap())
        .await;
    let document = answer.is(200);
    let (mut described, mut operations) = (BTreeSet::new(), BTreeSet::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.insert((method.to_uppercase(), path.clone()));
            let what = format!("{method} {path}");
            let id = operation["operationId"].as_str().unwrap();
            assert!(operations.insert(id.to_owned()), "{what}: {id} twice");
            let parameters = operation["parameters"].as_array().map_or(0, Vec::len);
            let expected = match (method.as_str(), path.as_str()) {
                ("get", "/api/v1/logs") => 22,
                ("get", STREAM) => 20,
                ("get", "/api/v1/logs/export" | "/api/v1/logs/stats") => 21,
                ("get", "/api/v1/partitions/{p}/evidence") => 4,
                (
                    "get",
                    "/api/v1/exports"
                    | "/api/v1/exports/{id}/download"
                    | "/api/v1/partitions/{p}/verify",
                ) => 2,
                ("get" | "post", "/api/v1/partitions") => 0,
                _ => 1,
            };
            assert_eq!(parameters, expected, "{what}");
            for member in ["summary", "tags"] {
                assert!(operation.get(member).is_some(), "{what}: {member}");
            }
            let responses = operation["responses"].as_object().unwrap();
            for status in ["401", "403", "422", "503"] {
                let content = &responses[status]["content"]["application/problem+json"];
                assert!(content.get("schema").is_some(), "{what}: {status}");
            }
            let success = responses
                .iter()
                .find(|(status, _)| status.starts_with('2'))
                .unwrap()
                .1;
            let content = success["content"]
                .as_object()
                .unwrap()
                .values()
                .next()
                .unwrap();
            assert!(content.get("schema").is_some(), "{what}");
            if method == "post" {
                let body = &operation["requestBody"]["content"]["application/json"];
                assert!(
                    body.get("schema").is_some() && body.get("example").is_some(),
                    "{what}"
                );
            }
        }
    }
    let listed = ROUTES
        .iter()
        .map(|route| (route.method.to_owned(), route.path.to_owned()))
        .collect();
    assert_eq!(described, listed);
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    world.end().await;
}

#[tokio::test]
async fn each_route_takes_its_methods_only() {
    let world = World::start().await;
    let admin = world.auth.user(A, "admin");
    let id = uuid::Uuid::now_v7().to_string();
    for route in ROUTES {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if ROUTES
                .iter()
                .any(|other| other.path == route.path && other.method == method)
            {
                continue;
            }
            let path = route.path.replace("{id}", &id).replace("{p}", "default");
            let answer = world
                .send(request(method, &admin, &path).body(Body::empty()).unwrap())
                .await;
            answer.refused(405, "method_not_allowed");
        }
    }
    world
        .get(&admin, "/api/v1/nothing")
        .await
        .refused(404, "not_found");
    world
        .get(&admin, "/api/v1/logs/not-an-id")
        .await
        .places(&["path.id"]);
    world.end().await;
}

/// Credentials that are no good, by what is wrong with them.
fn forged(auth: &AuthServer) -> Vec<(&'static str, String)> {
    let good = json!({
        "iss": ISSUER, "aud": ["veritrail-logs"], "sub": uuid::Uuid::now_v7(), "kind": "user",
        "tenant_id": A.id, "tenant": A.code, "roles": ["admin"],
        "jti": uuid::Uuid::now_v7(), "iat": now(), "exp": now() + 900,
    });
    let with = |member: &str, value: Value| {
        let mut claims = good.clone();
        claims[member] = value;
        auth.token(&claims)
    };
    let token = auth.token(&good);
    let (head, signature) = token.rsplit_once('.').unwrap();
    let mut changed = signature.to_owned();
    changed.replace_range(0..1, if signature.starts_with('A') { "B" } else { "A" });
    vec![
        ("nonsense", "nonsense".to_owned()),
        ("signature", format!("{head}.{changed}")),
        ("no signature", format!("{head}.")),
        ("expired", with("exp", json!(now() - 1))),
        ("audience", with("aud", json!(["veritrail-auth"]))),
        ("issuer", with("iss", json!("https://elsewhere.test"))),
        ("tenant of another", with("tenant", json!(A_B.code))),
        ("no tenant id", with("tenant_id", Value::Null)),
        ("algorithm none", unsigned(&good)),
        ("public key as a secret", auth.confused(&good)),
    ]
}

#[tokio::test]
async fn no_route_opens_without_a_good_credential_or_to_a_wrong_role() {
    let world = World::start().await;
    // Makes the tenants known, so that a token that mixes them up is told apart.
    let backend = world.auth.service(A, EVERYTHING);
    let receipts = world.fill(&backend, "default", 1).await;
    let stranger = world.auth.user(A_B, "admin");
    world.get(&stranger, "/api/v1/logs").await.is(200);
    let id = receipts[0]["id"].as_str().unwrap();
    // Ids of entries and of exports are two things, so both can be this one.
    let admin = world.auth.user(A, "admin");
    world.export(&admin, &json!({"id": id})).await;
    let everybody: Vec<(&str, Somebody)> = vec![
        ("admin", world.auth.user(A, "admin")),
        ("auditor", world.auth.user(A, "auditor")),
        ("viewer", world.auth.user(A, "viewer")),
        ("backend", backend),
    ];
    for route in ROUTES {
        let what = format!("{} {}", route.method, route.path);
        let answer = world.send(call(route, None, id)).await;
        answer.refused(401, "no_credential");
        assert!(answer.headers.contains_key("www-authenticate"), "{what}");
        for (wrong, token) in forged(&world.auth) {
            let answer = world.send(call(route, Some(&token), id)).await;
            assert_eq!(answer.status, 401, "{what}: {wrong}");
        }
        for (role, somebody) in &everybody {
            let answer = world.send(call(route, Some(&somebody.token), id)).await;
            if route.may.contains(role) && route.path == STREAM {
                answer.refused(400, "not_a_stream");
            } else if route.may.contains(role) {
                assert!(answer.status.is_success(), "{what}: {role}: {answer:?}");
            } else {
                answer.refused(403, "forbidden");
            }
        }
        if route.path.contains("{id}") {
            world
                .send(call(route, Some(&stranger.token), id))
                .await
                .refused(404, "not_found");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn an_operator_reads_nothing() {
    let world = World::start().await;
    let claims = json!({
        "iss": ISSUER, "aud": ["veritrail-logs"], "sub": uuid::Uuid::now_v7(), "kind": "user", "roles": ["operator"],
        "jti": uuid::Uuid::now_v7(), "iat": now(), "exp": now() + 900,
    });
    let token = world.auth.token(&claims);
    for route in ROUTES {
        let answer = world
            .send(call(route, Some(&token), &uuid::Uuid::now_v7().to_string()))
            .await;
        assert_eq!(answer.status, 403, "{} {}", route.method, route.path);
    }
    assert_eq!(world.end().await, 0);
}

#[tokio::test]
async fn what_is_not_in_order_closes_every_route() {
    let world = World::start().await;
    let (admin, backend) = (
        world.auth.user(A, "admin"),
        world.auth.service(A, EVERYTHING),
    );
    let receipts = world.fill(&backend, "default", 1).await;
    let id = receipts[0]["id"].as_str().unwrap();
    world.export(&admin, &json!({"id": id})).await;
    let key = uuid::Uuid::now_v7();
    let keyed = json!({
        "iss": ISSUER, "aud": ["veritrail-logs"], "sub": uuid::Uuid::now_v7(), "kind": "service", "key": key,
        "tenant_id": A.id, "tenant": A.code, "roles": ["auditor"],
        "jti": uuid::Uuid::now_v7(), "iat": now(), "exp": now() + 900,
    });
    let keyed = world.auth.token(&keyed);

    let suspended = TenantStatus::Suspended;
    world
        .publish(|set| set.tenants.insert(A.id, suspended))
        .await;
    for route in ROUTES {
        let answer = world.send(call(route, Some(&admin.token), id)).await;
        answer.refused(403, "tenant_suspended");
    }
    let archived = TenantStatus::Archived;
    world
        .publish(|set| set.tenants.insert(A.id, archived))
        .await;
    for route in ROUTES {
        let answer = world.send(call(route, Some(&admin.token), id)).await;
        if route.method != "GET" {
            answer.refused(403, "tenant_archived");
        } else if route.path == STREAM {
            answer.refused(400, "not_a_stream");
        } else {
            assert_eq!(answer.status, 200, "{}: {answer:?}", route.path);
        }
    }
    world.publish(|set| set.tenants.clear()).await;
    world.publish(|set| set.principals.insert(admin.id)).await;
    world.publish(|set| set.keys.insert(key)).await;
    for route in ROUTES {
        for token in [&admin.token, &keyed] {
            let answer = world.send(call(route, Some(token), id)).await;
            answer.refused(401, "credential_revoked");
        }
    }
    world.end().await;
}
