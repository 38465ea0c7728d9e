//! The requests that prepare and check a measurement, none of which is measured itself.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::system::Login;

/// Until somebody who may not wait asks again.
const BUSY: Duration = Duration::from_millis(100);

/// The server closes what is idle for 10 s, and a thread that fills tables does not notice that in time.
const IDLE: Duration = Duration::from_secs(5);

/// An address of Veritrail.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    base: String,
    http: reqwest::Client,
}

/// An access token and whom it names.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// `user` or `service`.
    pub(crate) kind: String,
    /// Immutable id of the principal.
    pub(crate) subject: String,
    /// Id of the tenant; operators have none.
    pub(crate) tenant_id: Option<String>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            base: format!("http://{address}"),
            http: reqwest::Client::builder()
                .pool_idle_timeout(IDLE)
                .build()
                .expect("a client needs nothing"),
        }
    }

    pub(crate) async fn is_ready(&self) -> bool {
        self.answers("/readyz").await
    }

    /// Whether this path answers with 200.
    pub(crate) async fn answers(&self, path: &str) -> bool {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// A request with a token.
    fn request(&self, method: Method, path: &str, token: &Token) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&token.text)
    }

    /// The token of a service account, for its API key.
    pub(crate) async fn service_token(&self, api_key: &str) -> Result<Token> {
        let form = format!("grant_type=client_credentials&client_secret={api_key}");
        let request = self
            .http
            .post(format!("{}/oauth/token", self.base))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        token(&answer(request).await?)
    }

    /// The token of a user; operators have no tenant.
    pub(crate) async fn login(&self, tenant: Option<&str>, login: &Login) -> Result<Token> {
        let mut body = json!({ "username": login.username, "password": login.password });
        if let Some(tenant) = tenant {
            body["tenant_code"] = tenant.into();
        }
        let request = self
            .http
            .post(format!("{}/api/v1/auth/token", self.base))
            .json(&body);
        token(&answer(request).await?)
    }

    pub(crate) async fn post(&self, path: &str, token: &Token, body: &Value) -> Result<Value> {
        answer(self.request(Method::POST, path, token).json(body)).await
    }

    pub(crate) async fn get(&self, path: &str, token: &Token) -> Result<Value> {
        answer(self.request(Method::GET, path, token)).await
    }

    /// A page of entries, and with it the answer that the index has entry `seq` of the partition and
    /// all before it; `None` when it does not have it within this time. `query` holds the rest of the
    /// question.
    pub(crate) async fn found(
        &self,
        token: &Token,
        (partition, seq): (&str, u64),
        query: &str,
        within: Duration,
    ) -> Result<Option<Vec<Value>>> {
        let path = format!("/api/v1/logs?partition={partition}&wait_for={seq}&{query}");
        let deadline = Instant::now() + within;
        loop {
            // It answers after 10 s at the latest.
            let answer = self.request(Method::GET, &path, token).send().await?;
            let (status, text) = (answer.status(), answer.text().await?);
            if status == 200 {
                let mut page: Value = serde_json::from_str(&text).context("a page")?;
                let entries = page["entries"].as_array_mut().context("no entries")?;
                return Ok(Some(std::mem::take(entries)));
            }
            match status.as_u16() {
                // Too many wait: the index is far behind, and that is what is measured.
                429 => tokio::time::sleep(BUSY).await,
                503 if text.contains("not_searchable_yet") => {}
                _ => bail!("{path} answered {status}: {text}"),
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
        }
    }

    pub(crate) async fn delete(&self, path: &str, token: &Token) -> Result<Value> {
        answer(self.request(Method::DELETE, path, token)).await
    }

    /// Evidence of the entries from seq `from` to before `to`: JSON lines.
    pub(crate) async fn evidence(
        &self,
        partition: &str,
        from: u64,
        to: u64,
        token: &Token,
    ) -> Result<Vec<u8>> {
        let path = format!("/api/v1/partitions/{partition}/evidence?from={from}&to={to}");
        let answer = self.request(Method::GET, &path, token).send().await?;
        if answer.status() != 200 {
            bail!(
                "{path} answered {}: {}",
                answer.status(),
                answer.text().await?
            );
        }
        Ok(answer.bytes().await?.into())
    }
}

async fn answer(request: RequestBuilder) -> Result<Value> {
    let answer = request.send().await?;
    let (status, url) = (answer.status(), answer.url().path().to_owned());
    let text = answer.text().await?;
    if !status.is_success() {
        bail!("{url} answered {status}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("{url} did not answer JSON"))
}

fn token(answer: &Value) -> Result<Token> {
    let text = answer["access_token"]
        .as_str()
        .context("no access_token")?
        .to_owned();
    let claims = text.split('.').nth(1).context("not a JWT")?;
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims)?)?;
    let claim = |name: &str| claims[name].as_str().map(str::to_owned);
    let kind = claim("kind").context("no kind in the token")?;
    let subject = claim("sub").context("no sub in the token")?;
    Ok(Token {
        kind,
        subject,
        tenant_id: claim("tenant_id"),
        text,
    })
}
