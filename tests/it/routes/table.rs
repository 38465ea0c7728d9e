//! The routes of both services, each with who may pass and a body that its handler reads. It calls
//! nothing.

use serde_json::{Value, json};

/// Who may pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Guard {
    /// Anybody; a credential is not looked at.
    Public,
    /// The other services.
    Internal,
    /// Whoever has one of these roles.
    Roles(&'static [&'static str]),
}

use Guard::{Internal, Public, Roles};

const OPERATOR: Guard = Roles(&["operator"]);
const ADMIN: Guard = Roles(&["admin"]);
const AUDIT: Guard = Roles(&["admin", "auditor"]);
const READ: Guard = Roles(&["admin", "auditor", "viewer"]);
const APPEND: Guard = Roles(&["admin", "writer"]);
const ANYONE: Guard = Roles(&["operator", "admin", "auditor", "viewer", "writer"]);
/// Reading is all that an archived tenant still does.
pub(super) const READS: &[&str] = &["GET", "HEAD"];

pub(super) struct Route {
    pub(super) service: Service,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) guard: Guard,
    pub(super) body: fn() -> Value,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Service {
    Auth,
    Log,
}

const fn route(
    service: Service,
    method: &'static str,
    path: &'static str,
    guard: Guard,
    body: fn() -> Value,
) -> Route {
    Route {
        service,
        method,
        path,
        guard,
        body,
    }
}

fn none() -> Value {
    Value::Null
}

fn empty() -> Value {
    json!({})
}

fn user() -> Value {
    json!({"username": "somebody", "roles": ["viewer"], "password": "a long enough password"})
}

fn invited() -> Value {
    json!({"username": "somebody-else", "roles": ["viewer"]})
}

fn person() -> Value {
    json!({"username": "somebody-new"})
}

fn named() -> Value {
    json!({"name": "a name"})
}

fn tenant() -> Value {
    json!({"code": "not-valid-as-a-code", "name": "never made"})
}

fn reason() -> Value {
    json!({"reason": "the admin has left and took the password along"})
}

fn password() -> Value {
    json!({"current": "not the password", "new": "a long enough password"})
}

fn entry() -> Value {
    json!({"action": "route.tried"})
}

fn entries() -> Value {
    json!({"entries": [{"action": "route.tried"}]})
}

fn partition() -> Value {
    json!({"partition": "tried"})
}

fn export() -> Value {
    json!({"format": "jsonl"})
}

pub(super) const A: Service = Service::Auth;
pub(super) const L: Service = Service::Log;

/// What is asked for as neither a WebSocket nor events is refused, but only to whoever may ask.
pub(super) const STREAM: &str = "/api/v1/logs/stream";
/// Nobody works on exports here, so there is no file yet; but only whoever may have it is told.
pub(super) const DOWNLOAD: &str = "/api/v1/exports/{id}/download";

pub(super) const TABLE: &[Route] = &[
    route(A, "POST", "/api/v1/auth/token", Public, empty),
    route(A, "POST", "/api/v1/auth/refresh", Public, empty),
    route(A, "POST", "/api/v1/auth/logout", Public, empty),
    route(A, "POST", "/oauth/token", Public, empty),
    route(A, "GET", "/.well-known/jwks.json", Public, none),
    route(A, "GET", "/.well-known/openid-configuration", Public, none),
    route(A, "GET", "/internal/status", Internal, none),
    route(A, "POST", "/api/v1/keys/rotate", OPERATOR, empty),
    route(A, "POST", "/api/v1/tenants", OPERATOR, tenant),
    route(A, "GET", "/api/v1/tenants", OPERATOR, none),
    route(A, "GET", "/api/v1/tenants/{code}", ANYONE, none),
    route(
        A,
        "PATCH",
        "/api/v1/tenants/{code}",
        Roles(&["operator", "admin"]),
        named,
    ),
    route(A, "POST", "/api/v1/tenants/{code}/admins", OPERATOR, person),
    route(
        A,
        "POST",
        "/api/v1/tenants/{code}/break-glass",
        OPERATOR,
        reason,
    ),
    route(
        A,
        "GET",
        "/api/v1/tenants/{code}/break-glass/{id}",
        OPERATOR,
        none,
    ),
    route(A, "POST", "/api/v1/users", ADMIN, user),
    route(A, "GET", "/api/v1/users", ADMIN, none),
    route(A, "GET", "/api/v1/users/me", ANYONE, none),
    route(A, "POST", "/api/v1/users/me/password", ANYONE, password),
    route(A, "POST", "/api/v1/users/register", Public, empty),
    route(A, "POST", "/api/v1/users/invites", ADMIN, invited),
    route(A, "POST", "/api/v1/users/invites/accept", Public, empty),
    route(A, "GET", "/api/v1/users/{id}", ADMIN, none),
    route(A, "PATCH", "/api/v1/users/{id}", ADMIN, named),
    route(A, "POST", "/api/v1/users/{id}/invites", ADMIN, none),
    route(A, "POST", "/api/v1/users/{id}/deactivate", ADMIN, none),
    route(A, "POST", "/api/v1/users/{id}/reactivate", ADMIN, none),
    route(A, "POST", "/api/v1/service-accounts", ADMIN, named),
    route(A, "GET", "/api/v1/service-accounts", ADMIN, none),
    route(A, "GET", "/api/v1/service-accounts/{id}", ADMIN, none),
    route(A, "PATCH", "/api/v1/service-accounts/{id}", ADMIN, named),
    route(A, "DELETE", "/api/v1/service-accounts/{id}", ADMIN, none),
    route(
        A,
        "POST",
        "/api/v1/service-accounts/{id}/api-keys",
        ADMIN,
        named,
    ),
    route(
        A,
        "GET",
        "/api/v1/service-accounts/{id}/api-keys",
        ADMIN,
        none,
    ),
    route(
        A,
        "DELETE",
        "/api/v1/service-accounts/{id}/api-keys/{key_id}",
        ADMIN,
        none,
    ),
    route(L, "POST", "/api/v1/logs", APPEND, entry),
    route(L, "POST", "/api/v1/logs/bulk", APPEND, entries),
    route(L, "GET", "/api/v1/logs", READ, none),
    route(L, "GET", "/api/v1/logs/stats", READ, none),
    route(L, "GET", STREAM, READ, none),
    route(L, "GET", "/api/v1/logs/export", AUDIT, none),
    route(L, "GET", "/api/v1/logs/{id}", READ, none),
    route(L, "GET", "/api/v1/logs/{id}/evidence", AUDIT, none),
    route(L, "GET", "/api/v1/partitions", READ, none),
    route(L, "POST", "/api/v1/partitions", ADMIN, partition),
    route(L, "GET", "/api/v1/partitions/{p}/evidence", AUDIT, none),
    route(L, "GET", "/api/v1/partitions/{p}/verify", AUDIT, none),
    route(L, "GET", "/api/v1/ids/unclaimed", AUDIT, none),
    route(L, "POST", "/api/v1/exports", AUDIT, export),
    route(L, "GET", "/api/v1/exports", AUDIT, none),
    route(L, "GET", "/api/v1/exports/{id}", AUDIT, none),
    route(L, "DELETE", "/api/v1/exports/{id}", AUDIT, none),
    route(L, "GET", DOWNLOAD, AUDIT, none),
];

/// Where auth-service's description is as well.
pub(crate) const ACCOUNTS: &str = "/api/v1/auth/openapi.json";

/// What both services have beside their table, open to anybody and without a secret in it.
pub(crate) const OPEN: &[&str] = &["/livez", "/readyz", "/health", "/openapi.json", "/docs/"];
