//! Requests to an OpenSearch, each bounded in time, and what its refusals mean. It never tries again,
//! and lets no text of an answer out that could quote a document.

use std::time::Duration;

use ::opensearch::cert::{Certificate, CertificateValidation};
use ::opensearch::http::headers::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use ::opensearch::http::request::Body;
use ::opensearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use ::opensearch::http::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::Value;

use super::credentials;
use crate::{Credentials, Error, Settings};

/// The longest that a search, and anything else, may take.
pub(super) const QUICK: Duration = Duration::from_secs(10);
pub(super) const PATIENT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(super) struct Http(Transport);

/// An answer, whatever its status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    body: Vec<u8>,
}

/// What an error's body says without quoting anything.
#[derive(Deserialize)]
struct Refusal {
    error: Option<Cause>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Cause {
    Typed(Typed),
    /// Proxies and old routes say it in a sentence.
    Other(serde::de::IgnoredAny),
}

/// `type` and the `type` of its cause; reasons can hold values of documents.
#[derive(Debug, Deserialize)]
pub(super) struct Typed {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) caused_by: Option<Box<Typed>>,
}

impl Http {
    pub(super) async fn new(settings: &Settings) -> Result<Self, Error> {
        let setting = |setting, message: String| Error::Setting { setting, message };
        let url = settings.url.clone();
        let loopback = match url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => return Err(setting("INDEX_URL", "names no host".to_owned())),
        };
        if !url.username().is_empty() || url.password().is_some() {
            let message = "holds credentials; they have settings of their own".to_owned();
            return Err(setting("INDEX_URL", message));
        }
        let mut builder =
            TransportBuilder::new(SingleNodeConnectionPool::new(url)).timeout(PATIENT);
        // Answers are small, and compressing one takes the server longer than finding what is in it.
        builder = builder.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if loopback {
            builder = builder.disable_proxy();
        }
        if let Some(pem) = &settings.authorities {
            let certificate = Certificate::from_pem(pem);
            let certificate =
                certificate.map_err(|error| setting("INDEX_CA_FILE", error.to_string()))?;
            builder = builder.cert_validation(CertificateValidation::Full(certificate));
        }
        match &settings.credentials {
            Credentials::None => {}
            Credentials::Basic { username, password } => {
                let password = password.expose_secret().to_owned();
                let basic = ::opensearch::auth::Credentials::Basic(username.clone(), password);
                builder = builder.auth(basic);
            }
            Credentials::Aws => {
                let signing = credentials::of_environment().await;
                let signing = signing.map_err(|message| setting("INDEX_SIGV4", message))?;
                builder = builder.auth(signing).service_name("es");
            }
        }
        let transport = builder.build();
        transport
            .map(Self)
            .map_err(|error| setting("INDEX_URL", error.to_string()))
    }

    pub(super) async fn get(&self, path: &str, within: Duration) -> Result<Answer, Error> {
        let none: Option<&str> = None;
        self.send(Method::Get, path, none, within).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        self.send(Method::Put, path, Some(body.to_string()), PATIENT)
            .await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
        within: Duration,
    ) -> Result<Answer, Error> {
        self.send(Method::Post, path, Some(body.to_string()), within)
            .await
    }

    /// A body of lines.
    pub(super) async fn bulk(&self, path: &str, lines: String) -> Result<Answer, Error> {
        self.send(Method::Post, path, Some(lines), PATIENT).await
    }

    /// `path` with its query; both made of names of ours alone.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<impl Body>,
        within: Duration,
    ) -> Result<Answer, Error> {
        let mut headers = HeaderMap::new();
        let content = HeaderValue::from_static("application/x-ndjson");
        if path.contains("/_bulk") {
            headers.insert(CONTENT_TYPE, content);
        }
        let none: Option<&()> = None;
        let answer = async {
            let answer = self
                .0
                .send(method, path, headers, none, body, Some(within))
                .await?;
            let status = answer.status_code();
            Ok::<_, ::opensearch::Error>(Answer {
                status,
                body: answer.bytes().await?.to_vec(),
            })
        };
        match tokio::time::timeout(within, answer).await {
            Ok(answer) => answer.map_err(|error| Error::Unavailable(error.into())),
            Err(late) => Err(Error::Unavailable(late.into())),
        }
    }
}

impl Answer {
    /// The body of a success.
    pub(super) fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        self.ok()?;
        serde_json::from_slice(&self.body).map_err(|error| Error::Unavailable(error.into()))
    }

    pub(super) fn ok(&self) -> Result<(), Error> {
        if self.status.is_success() {
            return Ok(());
        }
        Err(self.error())
    }

    pub(super) fn error(&self) -> Error {
        let refusal = serde_json::from_slice(&self.body).unwrap_or(Refusal { error: None });
        let what = match refusal.error {
            Some(Cause::Typed(typed)) => typed.to_string(),
            Some(Cause::Other(_)) | None => String::new(),
        };
        let source = anyhow::anyhow!("{} {what}", self.status.as_u16());
        match self.status.as_u16() {
            404 => Error::Missing,
            // Credentials that are wrong today may be right tomorrow, and so may a closed index: an
            // operator's matter.
            401 | 403 | 408 | 429 | 500.. => Error::Unavailable(source),
            _ if self.is("index_closed_exception") => Error::Unavailable(source),
            _ => Error::Failed(source),
        }
    }

    /// Whether the error is of this type.
    pub(super) fn is(&self, kind: &str) -> bool {
        let refusal: Result<Refusal, _> = serde_json::from_slice(&self.body);
        matches!(refusal, Ok(Refusal { error: Some(Cause::Typed(typed)) }) if typed.kind == kind)
    }
}

impl std::fmt::Display for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind)?;
        match &self.caused_by {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}
