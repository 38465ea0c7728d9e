//! One installation for a test: a database of its own, bootstrapped, with as many replicas as the test starts.

use std::net::SocketAddr;
use std::path::PathBuf;

use auth_service::{Algorithm, Config, Credentials, Secret, State};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tower::ServiceExt;
use uuid::Uuid;

use crate::receiver::Receiver;

pub(crate) const PASSWORD: &str = "correct horse battery";
/// From the network in which nobody has signed in yet.
pub(crate) const STRANGER: &str = "203.0.113.9:40000";
pub(crate) const HOME: &str = "192.0.2.7:40000";

pub(crate) struct Installation {
    pub(crate) config: Config,
    pub(crate) credentials: Credentials,
    pub(crate) pool: PgPool,
    pub(crate) receiver: Receiver,
    pub(crate) replica: Replica,
    folder: PathBuf,
}

/// One process of auth-service.
#[derive(Clone)]
pub(crate) struct Replica {
    pub(crate) state: State,
    app: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Drop for Installation {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Installation {
    pub(crate) async fn start(options: PgConnectOptions) -> Installation {
        let receiver = Receiver::start().await;
        let folder = std::env::temp_dir().join(format!("auth-{}", Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        let secret_file = folder.join("secret");
        std::fs::write(&secret_file, Secret::generate().1.expose_secret()).unwrap();
        let url = options.to_url_lossy().to_string();
        let config = Config {
            database_url: SecretString::from(url.clone()),
            secret_file,
            internal_secret: None,
            internal_secret_file: None,
            issuer: "http://auth.test".to_owned(),
            log_url: receiver.url(),
            invite_url: Some("https://app.test/welcome".parse().unwrap()),
            signing_algorithm: Algorithm::EdDsa,
            key_lead_seconds: 300,
            database_connections: 6,
            password_threads: Some(2),
            password_queue: 64,
            password_memory_kib: 64,
            trusted_proxies: Vec::new(),
        };
        let credentials = Credentials::generate(&url, "audit.test");
        assert!(
            auth_service::bootstrap(&config, &credentials)
                .await
                .unwrap()
        );
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .connect_with(options)
            .await
            .unwrap();
        Installation {
            replica: Replica::start(&config).await,
            config,
            credentials,
            pool,
            receiver,
            folder,
        }
    }

    pub(crate) async fn operator(&self) -> String {
        let login = &self.credentials.operator;
        self.replica
            .token(json!({"username": login.username, "password": login.password}))
            .await
    }

    pub(crate) async fn admin(&self) -> String {
        let login = &self.credentials.admin;
        self.replica
            .token(json!({"tenant_code": "demo", "username": login.username, "password": login.password}))
            .await
    }

    /// A tenant with an admin named `admin` who has accepted; his token.
    pub(crate) async fn tenant(&self, code: &str) -> String {
        let operator = self.operator().await;
        let body = json!({"code": code, "name": code, "admin": {"username": "admin"}});
        let created = self.post("/api/v1/tenants", &operator, body).await;
        assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
        self.accept(&created.body["invite"]["token"]).await;
        self.sign_in(code, "admin").await
    }

    /// A user of `demo` with the password; what he signs in with.
    pub(crate) async fn user(&self, admin: &str, username: &str, roles: &[&str]) -> Uuid {
        let body = json!({"username": username, "roles": roles, "password": PASSWORD});
        let created = self.post("/api/v1/users", admin, body).await;
        assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
        created.id()
    }

    pub(crate) async fn accept(&self, token: &Value) {
        let body = json!({"token": token, "password": PASSWORD});
        let accepted = self.post("/api/v1/users/invites/accept", "", body).await;
        assert_eq!(accepted.status, StatusCode::OK, "{}", accepted.body);
    }

    pub(crate) async fn sign_in(&self, code: &str, username: &str) -> String {
        let body = json!({"tenant_code": code, "username": username, "password": PASSWORD});
        self.replica.token(body).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.replica
            .send(Method::POST, path, token, Some(body))
            .await
    }

    pub(crate) async fn patch(&self, path: &str, token: &str, body: Value) -> Answer {
        self.replica
            .send(Method::PATCH, path, token, Some(body))
            .await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.replica.send(Method::GET, path, token, None).await
    }

    pub(crate) async fn delete(&self, path: &str, token: &str) -> Answer {
        self.replica.send(Method::DELETE, path, token, None).await
    }

    pub(crate) async fn login(
        &self,
        code: &str,
        username: &str,
        password: &str,
        from: &str,
    ) -> Answer {
        let body = json!({"tenant_code": code, "username": username, "password": password});
        let request = json_request(Method::POST, "/api/v1/auth/token", "", Some(body));
        self.replica.call(request, from).await
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.pool).await.unwrap();
    }
}

impl Replica {
    pub(crate) async fn start(config: &Config) -> Replica {
        let state = State::start(config.clone()).await.unwrap();
        let router = service::docs::mount(
            auth_service::router(state.clone()),
            service::docs::Part::Accounts,
            "test",
            "0",
        );
        let health = auth_service::health(&state).router(state.access().clone());
        let settings = service::http::Settings::default();
        let app = service::http::app(router.merge(health), &settings);
        Replica { state, app }
    }

    pub(crate) async fn token(&self, login: Value) -> String {
        let answer = self.tokens(login).await;
        answer["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn tokens(&self, login: Value) -> Value {
        let answer = self
            .send(Method::POST, "/api/v1/auth/token", "", Some(login))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.body
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Answer {
        self.call(json_request(method, path, token, body), HOME)
            .await
    }

    /// Calls the router; the status is fresh, as the background's tick keeps it.
    pub(crate) async fn call(&self, mut request: Request<Body>, from: &str) -> Answer {
        self.state.refresh_status().await.unwrap();
        let peer: SocketAddr = from.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        let body = match bytes.len() {
            0 => Value::Null,
            _ => serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(text())),
        };
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }
}

impl Answer {
    pub(crate) fn id(&self) -> Uuid {
        self.body["id"].as_str().unwrap().parse().unwrap()
    }

    /// Status and problem code at once.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status.as_u16(), self.body["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.body
        );
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        self.body
    }
}

pub(crate) fn json_request(
    method: Method,
    path: &str,
    token: &str,
    body: Option<Value>,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    match body {
        None => request.body(Body::empty()).unwrap(),
        Some(body) => request
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap(),
    }
}

/// A token's claims, unverified.
pub(crate) fn claims(token: &str) -> Value {
    part(token, 1)
}

pub(crate) fn part(token: &str, index: usize) -> Value {
    use base64::Engine;
    let part = token.split('.').nth(index).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(part)
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
