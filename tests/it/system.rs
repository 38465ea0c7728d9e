//! The distributed system on one machine: auth-service and any number of log-service replicas, as
//! processes, on a database of their own. Never shares anything with another test but the server.

use std::path::PathBuf;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::independent::verify_every_chain;
use crate::programs::{Program, free_port, write_file};
use crate::tenants::{PASSWORD, PLANTED_PART};

pub(crate) const ORIGIN: &str = "audit.example.com";
/// What the secret file of every test holds.
pub(crate) const SECRET: [u8; 32] = [0x5e; 32];

const INTERNAL_SECRET: &str = "planted-internal-secret-77aa";

/// A started system. What it holds is removed by [`System::finish`], and kept by a failed test.
pub(crate) struct System {
    pub(crate) auth: Program,
    pub(crate) logs: Vec<Program>,
    pub(crate) auth_url: String,
    pub(crate) log_urls: Vec<String>,
    pub(crate) credentials: Value,
    pub(crate) database_url: String,
    pub(crate) client: reqwest::Client,
    environment: Vec<(String, String)>,
    database: String,
    folder: PathBuf,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: Value,
}

fn server_url() -> String {
    std::env::vars()
        .find_map(|(name, value)| (name == "DATABASE_URL").then_some(value))
        .expect("DATABASE_URL: run the tests through make test")
}

impl System {
    /// Bootstraps a new database and starts the programs on it.
    pub(crate) async fn start(replicas: usize) -> Self {
        let database = format!("it_{}", Uuid::now_v7().simple());
        let mut server = PgConnection::connect(&server_url()).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!("create database {database}"));
        sqlx::raw_sql(create).execute(&mut server).await.unwrap();
        let mut database_url = url::Url::parse(&server_url()).unwrap();
        database_url.set_path(&database);
        let database_url = database_url.to_string();

        let folder = std::env::temp_dir().join(&database);
        std::fs::create_dir(&folder).unwrap();
        let secret = write_file(
            &folder,
            "secret",
            &format!("{}\n", SECRET.map(|byte| format!("{byte:02x}")).concat()),
        );
        let credentials = folder.join("credentials.json");
        let (auth_port, log_ports) = (free_port(), (0..replicas).map(|_| free_port()));
        let auth_url = format!("http://127.0.0.1:{auth_port}");
        let log_urls: Vec<_> = log_ports
            .map(|port| format!("http://127.0.0.1:{port}"))
            .collect();

        let environment = [
            ("DATABASE_URL", database_url.as_str()),
            ("SECRET_FILE", secret.to_str().unwrap()),
            ("INTERNAL_SECRET", INTERNAL_SECRET),
            ("ISSUER", &auth_url),
            ("AUTH_URL", &auth_url),
            ("LOG_URL", &log_urls[0]),
            ("ORIGIN", ORIGIN),
            ("LOG", "debug,sqlx=info,hyper=info,h2=info,rustls=info"),
        ];
        let environment: Vec<_> = environment
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();

        let borrowed = borrow(&environment);
        let file = credentials.to_str().unwrap();
        run("log-service", &["migrate"], &borrowed).await;
        run("auth-service", &["migrate"], &borrowed).await;
        run(
            "auth-service",
            &["bootstrap", "--credentials-file", file],
            &borrowed,
        )
        .await;
        let credentials: Value =
            serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();

        let auth = start_at("auth-service", &auth_url, &borrowed);
        let logs = log_urls
            .iter()
            .map(|url| start_at("log-service", url, &borrowed))
            .collect();
        let mut system = Self {
            auth,
            logs,
            auth_url,
            log_urls,
            credentials,
            database_url,
            client: reqwest::Client::new(),
            environment,
            database,
            folder,
        };
        system.auth.says("auth-service serves").await;
        for log in &mut system.logs {
            log.says("log-service serves").await;
        }
        for url in &system.log_urls {
            let ready = format!("{url}/readyz");
            system.until(Method::GET, &ready, "", StatusCode::OK).await;
        }
        system
    }

    /// Starts a replica again after it was killed or stopped.
    pub(crate) async fn start_log(&mut self, replica: usize) {
        let environment = borrow(&self.environment);
        let mut program = start_at("log-service", &self.log_urls[replica], &environment);
        program.says("log-service serves").await;
        self.logs[replica] = program;
    }

    pub(crate) async fn start_auth(&mut self) {
        let environment = borrow(&self.environment);
        let mut program = start_at("auth-service", &self.auth_url, &environment);
        program.says("auth-service serves").await;
        self.auth = program;
    }

    /// One request; `token` is any bearer credential, empty for none.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Answer {
        let mut request = self.client.request(method, url);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.answer(request).await
    }

    /// The answer to any request.
    pub(crate) async fn answer(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let status = response.status();
        let content_type = response
            .headers()
            .get("content-type")
            .map_or("", |value| value.to_str().unwrap())
            .to_owned();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer {
            status,
            content_type,
            body,
        }
    }

    /// To auth-service; anything but the expected status fails the test.
    pub(crate) async fn auth_call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Value,
    ) -> Value {
        let url = format!("{}{path}", self.auth_url);
        let body = (!body.is_null()).then_some(&body);
        let answer = self.send(method, &url, token, body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.body
    }

    pub(crate) async fn login(
        &self,
        tenant: Option<&str>,
        username: &str,
        password: &str,
    ) -> String {
        let mut body = json!({"username": username, "password": password});
        if let Some(tenant) = tenant {
            body["tenant_code"] = tenant.into();
        }
        let tokens = self
            .auth_call(Method::POST, "/api/v1/auth/token", "", body)
            .await;
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn operator(&self) -> String {
        let operator = &self.credentials["operator"];
        let text = |name: &str| operator[name].as_str().unwrap();
        self.login(None, text("username"), text("password")).await
    }

    pub(crate) async fn admin(&self) -> String {
        let admin = &self.credentials["admin"];
        let text = |name: &str| admin[name].as_str().unwrap();
        self.login(Some("demo"), text("username"), text("password"))
            .await
    }

    pub(crate) fn api_key(&self) -> &str {
        self.credentials["service"]["api_key"].as_str().unwrap()
    }

    /// Asks both services again until they answer this credential so: what is switched off reaches
    /// them with the status feed, within a second or two.
    pub(crate) async fn until_known(&self, token: &str, status: StatusCode) {
        let urls = [
            format!("{}/api/v1/users/me", self.auth_url),
            format!("{}/api/v1/partitions", self.log_urls[0]),
        ];
        for url in urls {
            self.until(Method::GET, &url, token, status).await;
        }
    }

    /// Asks again until the answer has this status.
    pub(crate) async fn until(&self, method: Method, url: &str, token: &str, status: StatusCode) {
        let asked =
            async { while self.send(method.clone(), url, token, None).await.status != status {} };
        let answered = tokio::time::timeout(std::time::Duration::from_secs(20), asked).await;
        answered.unwrap_or_else(|_| panic!("{url} never answers {status}"));
    }

    pub(crate) async fn database(&self) -> PgConnection {
        PgConnection::connect(&self.database_url).await.unwrap()
    }

    /// Nothing that the programs print may hold a credential or a personal part, at any log level.
    fn nothing_was_told(&self, printed: &str) {
        let credentials = &self.credentials;
        let secrets = [
            INTERNAL_SECRET,
            PASSWORD,
            PLANTED_PART,
            credentials["operator"]["password"].as_str().unwrap(),
            credentials["admin"]["password"].as_str().unwrap(),
            self.api_key(),
            // The beginning of every JSON Web Token, of every key and of every one-time link.
            "eyJ",
            "vtk_",
            "vti_",
        ];
        for secret in secrets {
            let line = printed.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "a log line holds {secret}");
        }
    }

    /// Stops everything in order, reads all that was printed, recomputes every chain, and removes
    /// what the test made.
    pub(crate) async fn finish(mut self) {
        assert_eq!(self.auth.stop().await, Some(0), "{}", self.auth.printed());
        let mut printed = self.auth.printed();
        for log in &mut self.logs {
            assert_eq!(log.stop().await, Some(0), "{}", log.printed());
            printed.push_str(&log.printed());
        }
        self.nothing_was_told(&printed);
        let mut database = self.database().await;
        let entries = verify_every_chain(&mut database, ORIGIN).await;
        assert!(entries > 0, "the test appended nothing");
        database.close().await.unwrap();
        let mut server = PgConnection::connect(&server_url()).await.unwrap();
        let drop = sqlx::AssertSqlSafe(format!("drop database {} with (force)", self.database));
        sqlx::raw_sql(drop).execute(&mut server).await.unwrap();
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

fn borrow(environment: &[(String, String)]) -> Vec<(&str, &str)> {
    environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

fn start_at(program: &str, url: &str, environment: &[(&str, &str)]) -> Program {
    let address = url.strip_prefix("http://").unwrap();
    Program::start(program, &["--listen", address], environment)
}

async fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) {
    let mut program = Program::start(program, arguments, environment);
    let code = program.ends().await;
    assert_eq!(code, Some(0), "{arguments:?}: {}", program.printed());
}
