//! One log-service on one database of its own, and requests to it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use log_service::{Config, State};
use search::Search;
use secrecy::SecretString;
use serde_json::{Value, json};
use service::Shutdown;
use service::status::StatusSet;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tower::ServiceExt as _;
use url::Url;
use uuid::Uuid;

use crate::auth::{AuthServer, ISSUER, Somebody};
use crate::independent;

/// Live streams that a tenant may have.
pub(crate) const TENANT_STREAMS: usize = 20;
pub(crate) const ORIGIN: &str = "audit.test";
const SECRET: &str = "an internal secret of the tests, never used elsewhere";

/// Scopes of a backend that may write everything.
pub(crate) const EVERYTHING: &str = "actor:* partition:* action:*";

pub(crate) struct World {
    pub(crate) auth: AuthServer,
    pub(crate) state: State,
    app: Router,
    pub(crate) database: Database,
    shutdown: Shutdown,
}

/// A database of its own, migrated.
pub(crate) struct Database {
    pub(crate) url: Url,
    name: String,
}

impl Database {
    async fn create() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "where the tests' server is, only they know"
        )]
        let server = std::env::var("DATABASE_URL").expect("DATABASE_URL names a PostgreSQL server");
        let mut url: Url = server.parse().unwrap();
        let name = format!("log_test_{}", Uuid::now_v7().simple());
        let mut admin = PgConnection::connect(&server).await.unwrap();
        let create = format!("create database {name}");
        admin.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
        url.set_path(&name);
        log_service::migrate(&SecretString::from(url.as_str()))
            .await
            .unwrap();
        Self { url, name }
    }

    /// Where the files of exports go.
    fn folder(&self) -> std::path::PathBuf {
        std::env::temp_dir().join(&self.name)
    }

    pub(crate) fn store_url(&self) -> String {
        format!("file://{}", self.folder().display())
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(self.url.as_str()).await.unwrap()
    }

    async fn drop(self) {
        let mut server = self.url.clone();
        server.set_path("postgres");
        let mut admin = PgConnection::connect(server.as_str()).await.unwrap();
        let drop = format!("drop database {} with (force)", self.name);
        admin.execute(sqlx::AssertSqlSafe(drop)).await.unwrap();
        std::fs::remove_dir_all(self.folder()).unwrap();
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The answer's JSON, when it has this status.
    pub(crate) fn is(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        if status >= 400 {
            assert_eq!(self.headers["content-type"], "application/problem+json");
        }
        self.json()
    }

    /// A refusal with this status and code.
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        let problem = self.is(status);
        assert_eq!(problem["code"], code, "{problem}");
        problem
    }

    /// A 422 that names exactly these places.
    pub(crate) fn places(&self, expected: &[&str]) {
        let problem = self.refused(422, "invalid");
        let places: Vec<_> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["path"].as_str().unwrap())
            .collect();
        assert_eq!(places, expected, "{problem}");
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.body).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::hinting(async |_| None).await
    }

    /// Tells a queue of what is appended; its URL may follow from the database's.
    pub(crate) async fn hinting(queue: impl AsyncFnOnce(Url) -> Option<Url>) -> Self {
        let database = Database::create().await;
        let queue = queue(database.url.clone()).await;
        Self::on(database, queue, None).await
    }

    /// Lists over an index.
    pub(crate) async fn searching(search: Arc<dyn Search>) -> Self {
        Self::on(Database::create().await, None, Some(search)).await
    }

    async fn on(database: Database, queue: Option<Url>, search: Option<Arc<dyn Search>>) -> Self {
        let auth = AuthServer::start().await;
        let shutdown = Shutdown::new();
        let (state, app) = replica(&database, &auth, &shutdown, queue, search).await;
        Self {
            auth,
            state,
            app,
            database,
            shutdown,
        }
    }

    /// Changes the status feed and waits until the service has heard of it.
    pub(crate) async fn publish<R>(&self, change: impl FnOnce(&mut StatusSet) -> R) {
        self.auth.set_status(change);
        let access = <service::Access as axum::extract::FromRef<State>>::from_ref(&self.state);
        // The first answer may have been on its way already.
        access.feed().next().await;
        access.feed().next().await;
    }

    /// One more process on the same database.
    pub(crate) async fn replica(&self) -> (State, Router) {
        replica(&self.database, &self.auth, &self.shutdown, None, None).await
    }

    /// Another one, over an index.
    pub(crate) async fn replica_over(&self, search: Arc<dyn Search>) -> Router {
        let (database, auth) = (&self.database, &self.auth);
        replica(database, auth, &self.shutdown, None, Some(search))
            .await
            .1
    }

    /// Serves a replica on a port of its own, for what needs a connection.
    pub(crate) async fn serve(&self, state: &State) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = service::docs::mount(
            log_service::router(state.clone()),
            service::docs::Part::Trail,
            "test",
            "0",
        );
        let settings = service::http::Settings::default();
        let shutdown = self.shutdown.clone();
        tokio::spawn(service::http::serve(listener, router, settings, shutdown));
        address
    }

    /// A superuser's connection to the database.
    pub(crate) async fn superuser(&self) -> PgConnection {
        self.database.connect().await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.app, request).await
    }

    /// The answer's head, its body still to be read.
    pub(crate) async fn open(&self, request: Request<Body>) -> axum::response::Response {
        self.app.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn get(&self, who: &Somebody, path: &str) -> Answer {
        self.send(request("GET", who, path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn post(&self, who: &Somebody, path: &str, body: &Value) -> Answer {
        let request = request("POST", who, path).header("content-type", "application/json");
        self.send(request.body(body.to_string().into()).unwrap())
            .await
    }

    pub(crate) async fn append(&self, who: &Somebody, entry: &Value) -> Answer {
        self.post(who, "/api/v1/logs", entry).await
    }

    /// Asks for an export, has the jobs done that are due, and gives the job.
    pub(crate) async fn export(&self, who: &Somebody, asked: &Value) -> Value {
        let made = self.post(who, "/api/v1/exports", asked).await;
        let id = made.is(201)["id"].as_str().unwrap().to_owned();
        self.work().await;
        self.get(who, &format!("/api/v1/exports/{id}"))
            .await
            .is(200)
    }

    /// What an export-worker does.
    pub(crate) async fn work(&self) {
        let url = SecretString::from(self.database.url.as_str());
        let config = ledger::Config::new(url.clone(), ORIGIN.to_owned());
        let ledger = ledger::Ledger::read_only(config).unwrap();
        let jobs = export::Jobs::open(&url, export::jobs::Role::Work, 4).unwrap();
        let store = store::open(&self.database.store_url(), None).await.unwrap();
        let access = <service::Access as axum::extract::FromRef<State>>::from_ref(&self.state);
        let feed = access.feed().clone();
        let settings = export_worker::Settings::default();
        let worker = export_worker::State::new(ledger, jobs, store, None, feed, settings);
        worker.catch_up().await.unwrap();
        worker.close().await;
    }

    pub(crate) async fn delete(&self, who: &Somebody, path: &str) -> Answer {
        self.send(request("DELETE", who, path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn create_partition(&self, who: &Somebody, name: &str) {
        self.post(who, "/api/v1/partitions", &json!({"partition": name}))
            .await
            .is(201);
    }

    /// Appends `count` entries in one request and gives their ids.
    pub(crate) async fn fill(&self, who: &Somebody, partition: &str, count: usize) -> Vec<Value> {
        let entries: Vec<_> = (0..count)
            .map(|number| {
                json!({
                    "partition": partition,
                    "action": if number % 2 == 0 { "invoice.paid" } else { "user.login" },
                    "actor": {"type": "user", "id": format!("u-{number}"), "name": "Ann Example"},
                    "context": {"ip": "192.0.2.7"},
                })
            })
            .collect();
        let answer = self
            .post(who, "/api/v1/logs/bulk", &json!({"entries": entries}))
            .await
            .is(201);
        answer["receipts"].as_array().unwrap().clone()
    }

    /// Entries of the partition `system` with this action, oldest first.
    pub(crate) async fn recorded(&self, auditor: &Somebody, action: &str) -> Vec<Value> {
        let path = format!("/api/v1/logs?partition=system&order=asc&limit=1000&action={action}");
        self.get(auditor, &path).await.is(200)["entries"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// Stops the service, recomputes every chain from the raw rows, and drops the database.
    pub(crate) async fn end(self) -> u64 {
        self.stop().await.end().await
    }

    /// Stops the service as its program does.
    pub(crate) async fn stop(self) -> Stopped {
        self.shutdown.begin();
        log_service::run(self.state, self.shutdown).await;
        Stopped {
            database: self.database,
        }
    }
}

pub(crate) struct Stopped {
    pub(crate) database: Database,
}

impl Stopped {
    pub(crate) async fn end(self) -> u64 {
        let mut connection = self.database.connect().await;
        let covered = independent::verify_every_chain(&mut connection, ORIGIN).await;
        connection.close().await.unwrap();
        self.database.drop().await;
        covered
    }

    /// For stories in which somebody wrote to the database.
    pub(crate) async fn discard(self) {
        self.database.drop().await;
    }
}

async fn replica(
    database: &Database,
    auth: &AuthServer,
    shutdown: &Shutdown,
    queue: Option<Url>,
    search: Option<Arc<dyn Search>>,
) -> (State, Router) {
    let config = Config {
        database_url: SecretString::from(database.url.as_str()),
        origin: ORIGIN.to_owned(),
        lanes: 1,
        readers: 4,
        allow_unsafe_server: true,
        streams: log_service::Streams {
            max_streams: 100,
            max_tenant_streams: TENANT_STREAMS,
        },
        auth: service::config::Auth {
            auth_url: auth.url.clone(),
            issuer: ISSUER.to_owned(),
            internal: service::config::InternalSecret {
                internal_secret: Some(SecretString::from(SECRET)),
                internal_secret_file: None,
            },
        },
        hints: service::config::Hints {
            index_queue_url: queue.map(|url| url.as_str().into()),
        },
        exports: log_service::ExportsConfig {
            store_url: Some(database.store_url()),
            ..log_service::ExportsConfig::default()
        },
        index: search::Config::default(),
        search,
    };
    let state = State::start(config, shutdown).await.unwrap();
    let access = <service::Access as axum::extract::FromRef<State>>::from_ref(&state);
    access.until_ready().await;
    let health = log_service::health(&state).router(access);
    let router = service::docs::mount(
        log_service::router(state.clone()),
        service::docs::Part::Trail,
        "test",
        "0",
    );
    let settings = service::http::Settings::default();
    (state, service::http::app(router.merge(health), &settings))
}

pub(crate) fn request(method: &str, who: &Somebody, path: &str) -> axum::http::request::Builder {
    let bearer = format!("Bearer {}", who.token);
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", bearer)
}

pub(crate) async fn send(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}
