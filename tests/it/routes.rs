//! Every route of both services against every credential that must not pass. A route that is not in
//! the table fails the test.

mod table;

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use self::table::Guard::{Internal, Public, Roles};
use self::table::{A, DOWNLOAD, L, READS, Route, STREAM, Service, TABLE};
pub(crate) use self::table::{ACCOUNTS, OPEN};
use crate::forge::Forge;
use crate::system::{Answer, System};
use crate::tenants::{Person, Tenant, tenants};

impl Route {
    fn name(&self) -> String {
        format!("{:?} {} {}", self.service, self.method, self.path)
    }

    /// The address with a tenant's own things in the places of the path.
    fn url(&self, system: &System, of: &Tenant) -> String {
        let base = match self.service {
            Service::Auth => &system.auth_url,
            Service::Log => &system.log_urls[0],
        };
        let id = match self.path {
            path if path.contains("/users/") => of.people["viewer"].id.as_str(),
            path if path.contains("/service-accounts/") => &of.service_account,
            path if path.contains("/logs/") => &of.entry,
            path if path.contains("/exports/") => &of.export,
            _ => "01980000-0000-7000-8000-000000000000",
        };
        let path = self
            .path
            .replace("{code}", &of.code)
            .replace("{id}", id)
            .replace("{key_id}", &of.api_key_id)
            .replace("{p}", &of.partition);
        format!("{base}{path}")
    }

    async fn send(&self, system: &System, of: &Tenant, token: &str) -> Answer {
        let body = (self.body)();
        let body = (!body.is_null()).then_some(&body);
        let method: Method = self.method.parse().unwrap();
        system
            .send(method, &self.url(system, of), token, body)
            .await
    }

    fn names_a_thing(&self) -> bool {
        self.path.contains('{')
    }
}

/// Every route of the table, as `METHOD path`.
pub(crate) fn listed() -> impl Iterator<Item = String> {
    TABLE
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
}

fn expect(route: &Route, case: &str, answer: &Answer, status: StatusCode) {
    let name = route.name();
    assert_eq!(answer.status, status, "{name} with {case}: {answer:?}");
    if !status.is_success() {
        assert_eq!(
            answer.content_type, "application/problem+json",
            "{name} with {case}"
        );
        assert!(
            answer.body["code"].is_string(),
            "{name} with {case}: {answer:?}"
        );
        assert!(
            answer.body["request_id"].is_string(),
            "{name} with {case}: {answer:?}"
        );
    }
}

/// The routes that a service says it has, as `METHOD path`.
async fn described(system: &System, url: &str) -> BTreeSet<String> {
    described_at(system, &format!("{url}/openapi.json")).await
}

async fn described_at(system: &System, url: &str) -> BTreeSet<String> {
    let document = system.send(Method::GET, url, "", None).await;
    let mut routes = BTreeSet::new();
    for (path, methods) in document.body["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            routes.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    routes
}

async fn the_table_is_complete(system: &System) {
    // Through the one address in front of both.
    let accounts = described_at(system, &format!("{}{ACCOUNTS}", system.url)).await;
    assert_eq!(accounts, described(system, &system.auth_url).await);
    let trail = described(system, &system.url).await;
    assert_eq!(trail, described(system, &system.log_urls[0]).await);
    for (service, url) in [(A, &system.auth_url), (L, &system.log_urls[0])] {
        let listed: BTreeSet<_> = TABLE
            .iter()
            .filter(|route| route.service == service)
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        let described: BTreeSet<_> = described(system, url)
            .await
            .into_iter()
            .filter(|route| !OPEN.iter().any(|open| route.ends_with(open)))
            .collect();
        assert_eq!(described, listed, "{service:?}: routes and table differ");
        for open in OPEN {
            let answer = system
                .send(Method::GET, &format!("{url}{open}"), "", None)
                .await;
            assert_eq!(answer.status, StatusCode::OK, "{open}: {answer:?}");
        }
    }
}

async fn forged_credentials(system: &System, of: &Tenant) {
    for role in ["admin", "viewer"] {
        let forge = Forge::open(system, &of.people[role].token).await;
        for (case, token) in forge.refused() {
            for route in TABLE.iter().filter(|route| route.guard != Public) {
                let answer = route.send(system, of, &token).await;
                expect(route, case, &answer, StatusCode::UNAUTHORIZED);
            }
        }
    }
}

async fn wrong_roles(system: &System, of: &Tenant, operator: &str) {
    for route in TABLE {
        let Roles(allowed) = route.guard else {
            continue;
        };
        for role in ["operator", "admin", "auditor", "viewer", "writer"] {
            if allowed.contains(&role) {
                continue;
            }
            let token = if role == "operator" {
                operator
            } else {
                &of.people[role].token
            };
            let answer = route.send(system, of, token).await;
            expect(route, role, &answer, StatusCode::FORBIDDEN);
        }
    }
}

/// Reading with the right role, so that a refusal above is not simply a broken route.
async fn right_roles_read(system: &System, of: &Tenant, operator: &str) {
    for route in TABLE.iter().filter(|route| READS.contains(&route.method)) {
        let Roles(allowed) = route.guard else {
            continue;
        };
        for role in allowed {
            let token = if *role == "operator" {
                operator
            } else {
                &of.people[*role].token
            };
            let answer = route.send(system, of, token).await;
            let expected = match route.path {
                "/api/v1/tenants/{code}/break-glass/{id}" => StatusCode::NOT_FOUND,
                STREAM => StatusCode::BAD_REQUEST,
                DOWNLOAD => StatusCode::CONFLICT,
                _ => StatusCode::OK,
            };
            expect(route, role, &answer, expected);
        }
    }
}

async fn other_tenants(system: &System, tenants: &[Tenant]) {
    for (mine, theirs) in pairs(tenants) {
        for route in TABLE {
            let Roles(allowed) = route.guard else {
                continue;
            };
            for role in allowed.iter().filter(|role| **role != "operator") {
                let person = &mine.people[*role];
                if route.names_a_thing() {
                    let answer = route.send(system, theirs, &person.token).await;
                    expect(
                        route,
                        "another tenant's thing",
                        &answer,
                        StatusCode::NOT_FOUND,
                    );
                } else if READS.contains(&route.method) {
                    let answer = route.send(system, theirs, &person.token).await;
                    let text = answer.body.to_string();
                    for id in theirs.ids() {
                        assert!(
                            !text.contains(id),
                            "{} shows {} of {}",
                            route.name(),
                            id,
                            theirs.code
                        );
                    }
                }
            }
        }
    }
}

fn pairs(tenants: &[Tenant]) -> impl Iterator<Item = (&Tenant, &Tenant)> {
    tenants.iter().flat_map(move |mine| {
        let others = tenants
            .iter()
            .filter(move |theirs| theirs.code != mine.code);
        others.map(move |theirs| (mine, theirs))
    })
}

/// Sets the status and waits until both services know it.
async fn set_status(system: &System, of: &Tenant, operator: &str, status: &str) {
    let path = format!("/api/v1/tenants/{}", of.code);
    system
        .auth_call(Method::PATCH, &path, operator, json!({"status": status}))
        .await;
}

async fn suspended_and_archived(system: &System, of: &Tenant, operator: &str) {
    set_status(system, of, operator, "suspended").await;
    system
        .until_known(&of.people["viewer"].token, StatusCode::FORBIDDEN)
        .await;
    for_each_allowed(system, of, "suspended", |_| StatusCode::FORBIDDEN).await;

    set_status(system, of, operator, "archived").await;
    system
        .until_known(&of.people["viewer"].token, StatusCode::OK)
        .await;
    for_each_allowed(system, of, "archived", |route| {
        if READS.contains(&route.method) {
            match route.path {
                STREAM => StatusCode::BAD_REQUEST,
                DOWNLOAD => StatusCode::CONFLICT,
                _ => StatusCode::OK,
            }
        } else {
            StatusCode::FORBIDDEN
        }
    })
    .await;
    set_status(system, of, operator, "active").await;
}

async fn for_each_allowed(
    system: &System,
    of: &Tenant,
    case: &str,
    expected: impl Fn(&Route) -> StatusCode,
) {
    for route in TABLE {
        let Roles(allowed) = route.guard else {
            continue;
        };
        for role in allowed.iter().filter(|role| **role != "operator") {
            let answer = route.send(system, of, &of.people[*role].token).await;
            expect(route, &format!("{role}, {case}"), &answer, expected(route));
        }
    }
}

async fn deactivated_and_revoked(system: &System, of: &Tenant) {
    let admin = &of.people["admin"].token;
    for role in ["viewer", "auditor", "writer"] {
        let Person { id, token, .. } = &of.people[role];
        let path = format!("/api/v1/users/{id}/deactivate");
        system
            .auth_call(Method::POST, &path, admin, Value::Null)
            .await;
        system.until_known(token, StatusCode::UNAUTHORIZED).await;
        for route in TABLE.iter().filter(|route| route.guard != Public) {
            let answer = route.send(system, of, token).await;
            expect(
                route,
                &format!("a deactivated {role}"),
                &answer,
                StatusCode::UNAUTHORIZED,
            );
        }
    }
    let Tenant {
        service_account,
        api_key_id,
        api_key,
        ..
    } = of;
    let path = format!("/api/v1/service-accounts/{service_account}/api-keys/{api_key_id}");
    system
        .auth_call(Method::DELETE, &path, admin, Value::Null)
        .await;
    system.until_known(api_key, StatusCode::UNAUTHORIZED).await;
    for route in TABLE.iter().filter(|route| route.guard != Public) {
        let answer = route.send(system, of, api_key).await;
        expect(route, "a revoked key", &answer, StatusCode::UNAUTHORIZED);
    }
}

/// What is no entry and no request at all: the place is named, and nothing of it is a server's fault.
async fn hostile_input(system: &System, of: &Tenant, operator: &str) {
    let deep = [vec![b'['; 300], vec![b']'; 300]].concat();
    let cases: [(&str, &str, Vec<u8>, &[u16]); 5] = [
        (
            "an unknown content type",
            "text/plain",
            b"{}".to_vec(),
            &[415],
        ),
        (
            "no JSON",
            "application/json",
            b"{\"action\":".to_vec(),
            &[400, 422],
        ),
        (
            "bad UTF-8",
            "application/json",
            b"{\"a\":\"\xff\"}".to_vec(),
            &[400, 422],
        ),
        ("300 levels", "application/json", deep, &[400, 422]),
        ("9 MiB", "application/json", vec![b' '; 9 << 20], &[413]),
    ];
    for route in TABLE {
        let token = match route.guard {
            Roles(allowed) if allowed.contains(&"operator") => operator,
            Roles(allowed) => &of.people[allowed[0]].token,
            Public | Internal => "",
        };
        let request = |method: &str| {
            let method: Method = method.parse().unwrap();
            let request = system.client.request(method, route.url(system, of));
            if token.is_empty() {
                request
            } else {
                request.bearer_auth(token)
            }
        };
        let answer = system.answer(request("PUT")).await;
        expect(route, "PUT", &answer, StatusCode::METHOD_NOT_ALLOWED);
        // RFC 6749 has a form, and errors of its own shape, there.
        if (route.body)().is_null() || route.path == "/oauth/token" {
            continue;
        }
        for (case, content_type, body, statuses) in &cases {
            let request = request(route.method).header("content-type", *content_type);
            let answer = system.answer(request.body(body.clone())).await;
            let name = route.name();
            assert!(
                statuses.contains(&answer.status.as_u16()),
                "{name} with {case}: {answer:?}"
            );
            expect(route, case, &answer, answer.status);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_against_every_credential() {
    let system = System::start(1).await;
    let operator = system.operator().await;
    let tenants = tenants(&system, &operator, &["aaa", "aaa-b", "aaa-b-c"]).await;
    the_table_is_complete(&system).await;
    right_roles_read(&system, &tenants[0], &operator).await;
    forged_credentials(&system, &tenants[0]).await;
    wrong_roles(&system, &tenants[0], &operator).await;
    hostile_input(&system, &tenants[0], &operator).await;
    other_tenants(&system, &tenants).await;
    suspended_and_archived(&system, &tenants[1], &operator).await;
    deactivated_and_revoked(&system, &tenants[2]).await;
    system.finish().await;
}
