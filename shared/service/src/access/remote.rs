//! auth-service over HTTP: its key set, its status feed, its exchange of API keys. Bounded in time and size.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use axum::http::{HeaderValue, StatusCode, header};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::keys::Jwks;
use crate::request;
use crate::status::StatusSet;
use crate::{exchange, token};

const MAX_JWKS_BYTES: usize = 256 * 1024;
const MAX_STATUS_BYTES: usize = 64 * 1024 * 1024;
const MAX_ANSWER_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Remote {
    client: Client,
    base: String,
    secret: SecretString,
}

impl Remote {
    /// `patience` bounds a whole call.
    pub(super) fn new(
        base: &Url,
        secret: SecretString,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let client = Client::builder()
            .connect_timeout(patience)
            .timeout(patience)
            .redirect(Policy::none())
            // Services talk to each other directly, whatever proxy the environment names.
            .no_proxy()
            .build()
            .context("HTTP client")?;
        let base = base.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            client,
            base,
            secret,
        })
    }

    pub(super) async fn jwks(&self) -> anyhow::Result<Jwks> {
        let url = format!("{}/.well-known/jwks.json", self.base);
        let response = self.client.get(url).send().await?;
        ensure!(
            response.status().is_success(),
            "key set: {}",
            response.status()
        );
        let body = read(response, MAX_JWKS_BYTES).await?;
        let keys: Jwks = serde_json::from_slice(&body).context("key set")?;
        // Never the truth, so better the keys that are known.
        ensure!(!keys.keys.is_empty(), "key set: empty");
        Ok(keys)
    }

    /// The feed and its `ETag`; None when it is still what `etag` names.
    pub(super) async fn status(
        &self,
        etag: Option<&HeaderValue>,
    ) -> anyhow::Result<Option<(StatusSet, Option<HeaderValue>)>> {
        let url = format!("{}/internal/status", self.base);
        let mut request = self
            .client
            .get(url)
            .bearer_auth(self.secret.expose_secret());
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let response = request.send().await?;
        if response.status() == StatusCode::NOT_MODIFIED && etag.is_some() {
            return Ok(None);
        }
        ensure!(
            response.status() == StatusCode::OK,
            "status feed: {}",
            response.status()
        );
        let etag = response.headers().get(header::ETAG).cloned();
        let body = read(response, MAX_STATUS_BYTES).await?;
        let set = serde_json::from_slice(&body).context("status feed")?;
        Ok(Some((set, etag)))
    }

    /// The key becomes a token by client credentials (RFC 6749 §4.4), the key being the secret.
    pub(super) async fn exchange(&self, key: SecretString) -> Result<String, exchange::Error> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_secret", key.expose_secret())
            .finish();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let url = format!("{}/oauth/token", self.base);
        let mut request = self.client.post(url).body(form);
        request = request.header(header::CONTENT_TYPE, form_type);
        let mut trace = axum::http::HeaderMap::new();
        request::propagate(&mut trace);
        let response = request.headers(trace).send().await;
        let response = response.map_err(|error| exchange::Error::Unavailable(error.into()))?;
        match response.status() {
            StatusCode::OK => granted(response)
                .await
                .map_err(exchange::Error::Unavailable),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(exchange::Error::Refused)
            }
            status => {
                let error = anyhow::anyhow!("exchange: {status}");
                Err(exchange::Error::Unavailable(error))
            }
        }
    }
}

async fn granted(response: Response) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: String,
    }
    let body = read(response, MAX_ANSWER_BYTES).await?;
    // The parser's message might quote the token, so it is not kept.
    let granted = serde_json::from_slice::<Granted>(&body);
    let token = granted.ok().context("exchange: unexpected answer")?;
    ensure!(
        token.access_token.len() <= token::MAX_BYTES,
        "token too long"
    );
    Ok(token.access_token)
}

async fn read(mut response: Response, most: usize) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            bail!("answer longer than {most} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
