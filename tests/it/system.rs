//! A started system in a test: asked over HTTP, changed through its programs, and checked at the end.
//! Never shares anything with another test but the servers.

use std::time::Duration;

use ::system::{INTERNAL_SECRET, Installation, ORIGIN, Servers, Shape, Wanted, Way};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::independent::verify_every_chain;
use crate::tenants::{PASSWORD, PLANTED_PART};

/// Everything of ours; of the others what is news.
const LOG: &str = "debug,sqlx=info,hyper=info,h2=info,rustls=info,aws=info,tantivy=info";

/// A started system. What it holds is removed by [`System::finish`], and kept by a failed test.
pub(crate) struct System {
    pub(crate) installation: Installation,
    /// Where everything is reached, whichever way it runs.
    pub(crate) url: String,
    pub(crate) auth_url: String,
    pub(crate) log_urls: Vec<String>,
    pub(crate) client: reqwest::Client,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: Value,
}

impl System {
    /// auth-service and so many log-services, on a database of their own.
    pub(crate) async fn start(replicas: usize) -> Self {
        let way = Way::Distributed(Shape::services(replicas));
        Self::start_as(way, &Servers::from_environment().unwrap()).await
    }

    pub(crate) async fn start_as(way: Way, servers: &Servers) -> Self {
        let name = format!("it-{}", Uuid::now_v7().simple());
        let folder = std::env::temp_dir().join(&name);
        std::fs::create_dir(&folder).unwrap();
        let wanted = Wanted {
            way,
            name: &name,
            folder: &folder,
            servers,
            listen: "127.0.0.1:0".parse().unwrap(),
            log: LOG,
        };
        let installation = Installation::start(&wanted).await.unwrap();
        Self {
            url: installation.url.clone(),
            auth_url: installation.auth_url.clone(),
            log_urls: installation.log_urls.clone(),
            client: reqwest::Client::new(),
            installation,
        }
    }

    /// Starts a program again after it was killed.
    pub(crate) async fn start_again(&mut self, program: &str, index: usize) {
        let member = self.installation.member(program, index);
        member.start().await.unwrap();
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self, program: &str, index: usize) {
        let member = self.installation.member(program, index);
        member.kill().await.unwrap();
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
        let operator = &self.installation.credentials["operator"];
        let text = |name: &str| operator[name].as_str().unwrap();
        self.login(None, text("username"), text("password")).await
    }

    pub(crate) async fn admin(&self) -> String {
        let admin = &self.installation.credentials["admin"];
        let text = |name: &str| admin[name].as_str().unwrap();
        self.login(Some("demo"), text("username"), text("password"))
            .await
    }

    pub(crate) fn api_key(&self) -> &str {
        let service = &self.installation.credentials["service"];
        service["api_key"].as_str().unwrap()
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

    /// Asks again, at intervals, until the answer is as wanted, and gives it.
    pub(crate) async fn until_body(
        &self,
        url: &str,
        token: &str,
        within: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let asked = async {
            let mut poll = tokio::time::interval(Duration::from_millis(50));
            while !wanted(&last) {
                poll.tick().await;
                last = self.send(Method::GET, url, token, None).await.body;
            }
        };
        let answered = tokio::time::timeout(within, asked).await;
        assert!(answered.is_ok(), "{url} stays at {last}");
        last
    }

    /// Asks again until this metric, over all labels and all processes of the program, is as wanted.
    pub(crate) async fn until_metric(
        &self,
        program: &str,
        metric: &str,
        within: Duration,
        wanted: impl Fn(u64) -> bool,
    ) {
        let members = self.installation.members.iter();
        let urls: Vec<_> = members
            .filter(|member| member.program == program)
            .map(|member| format!("{}/metrics", member.admin_url))
            .collect();
        let mut last = 0;
        let asked = async {
            let mut poll = tokio::time::interval(Duration::from_millis(50));
            loop {
                poll.tick().await;
                last = 0;
                for url in &urls {
                    let answer = self.send(Method::GET, url, "", None).await;
                    last += sum(answer.body.as_str().unwrap(), metric);
                }
                if wanted(last) {
                    return;
                }
            }
        };
        let answered = tokio::time::timeout(within, asked).await;
        assert!(answered.is_ok(), "{metric} of {program} stays at {last}");
    }

    /// Asks again until the answer has this status.
    pub(crate) async fn until(&self, method: Method, url: &str, token: &str, status: StatusCode) {
        let asked =
            async { while self.send(method.clone(), url, token, None).await.status != status {} };
        let answered = tokio::time::timeout(Duration::from_secs(20), asked).await;
        answered.unwrap_or_else(|_| panic!("{url} never answers {status}"));
    }

    pub(crate) async fn database(&self) -> PgConnection {
        let url = &self.installation.database_url;
        PgConnection::connect(url).await.unwrap()
    }

    /// Nothing that the programs print may hold a credential or a personal part, at any log level.
    fn nothing_was_told(&self, printed: &str) {
        let credentials = &self.installation.credentials;
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
        self.installation.stop().await.unwrap();
        self.nothing_was_told(&self.installation.printed().unwrap());
        let mut database = self.database().await;
        let entries = verify_every_chain(&mut database, ORIGIN).await;
        assert!(entries > 0, "the test appended nothing");
        database.close().await.unwrap();
        let folder = self.installation.folder.clone();
        self.installation.remove().await.unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }
}

/// Of a metric over all its labels, in Prometheus' text.
fn sum(text: &str, metric: &str) -> u64 {
    let samples = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(metric)?;
        rest.starts_with(['{', ' '])
            .then(|| rest.rsplit(' ').next())?
    });
    samples.map(|value| value.parse::<u64>().unwrap()).sum()
}
