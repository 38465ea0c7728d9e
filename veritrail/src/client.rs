//! Requests to a server, as somebody: with fresh tokens, patience where the
//! server says "not now", and its refusals as errors that name the place. It
//! never repeats a request that is not safe to repeat.

mod problem;
mod session;

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::header::{
    CONNECTION, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{RequestBuilder, Response, StatusCode, Upgraded};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake;
use tokio_tungstenite::tungstenite::protocol::Role;
use url::{Url, form_urlencoded};

pub(crate) use self::problem::Refused;
pub(crate) use self::session::{Session, Tokened};
use crate::config::{self, Connection};
use crate::profile::Place;

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Longest silence of an answer that is coming.
const SILENCE: Duration = Duration::from_secs(90);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What a command is about to do, which decides who does it where the profile
/// has both an administrator and a service account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Append,
    Read,
}

pub(crate) struct Client {
    http: reqwest::Client,
    server: Url,
    session: Session,
    patience: Duration,
}

impl Client {
    /// As the options, the environment and the profile say.
    ///
    /// # Errors
    /// There is no login.
    pub(crate) fn new(connection: &Connection, purpose: Purpose) -> anyhow::Result<Self> {
        let place = Place::named(&connection.profile)?;
        let profile = place.read()?;
        let patience = Duration::from_secs(connection.patience);
        if let Some(key) = config::api_key() {
            let server = connection
                .server
                .clone()
                .or(profile.map(|profile| profile.server));
            let server =
                server.context("VERITRAIL_API_KEY needs a server: name it with --server")?;
            return Self::with(server, Session::Key(key), patience);
        }
        let Some(profile) = profile else {
            bail!(
                "not logged in: run `veritrail login` (profile {})",
                connection.profile
            );
        };
        if connection
            .server
            .as_ref()
            .is_some_and(|server| *server != profile.server)
        {
            bail!(
                "profile {} is a login at {}: log in at the other server under another --profile",
                connection.profile,
                profile.server,
            );
        }
        let server = profile.server.clone();
        let session = match (purpose, &profile.tokens, &profile.api_key) {
            (Purpose::Append, _, Some(key)) | (_, None, Some(key)) => {
                Session::Key(key.clone().into())
            }
            (_, Some(tokens), _) => Session::login(place, tokens.clone()),
            (_, None, None) => bail!(
                "profile {} is empty: run `veritrail login`",
                connection.profile
            ),
        };
        Self::with(server, session, patience)
    }

    pub(crate) fn with(server: Url, session: Session, patience: Duration) -> anyhow::Result<Self> {
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(SILENCE)
            .user_agent(concat!("veritrail/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&server) {
            http = http.no_proxy();
        }
        Ok(Self {
            http: http.build()?,
            server,
            session,
            patience,
        })
    }

    /// The address of a path, which begins without `/`, below the server's.
    pub(crate) fn url(&self, path: &str) -> anyhow::Result<Url> {
        let mut base = self.server.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(base.join(path)?)
    }

    /// An answer to a GET.
    pub(crate) async fn get(&self, url: Url) -> anyhow::Result<Response> {
        self.send(|http| http.get(url.clone())).await
    }

    /// An answer to a GET, read whole.
    pub(crate) async fn get_json<T: serde::de::DeserializeOwned>(
        &self,
        url: Url,
    ) -> anyhow::Result<T> {
        let text = self
            .get(url)
            .await?
            .bytes()
            .await
            .context("the answer broke off")?;
        serde_json::from_slice(&text).context("the server's answer is not what this program knows")
    }

    /// Sends a request that may be repeated: a read, or entries that carry their
    /// ids. Repeats it while the server is away or says "not now", for as long
    /// as the patience lasts.
    ///
    /// # Errors
    /// [`Refused`] with the server's reason; anything else when there was no answer.
    pub(crate) async fn send(
        &self,
        request: impl Fn(&reqwest::Client) -> RequestBuilder,
    ) -> anyhow::Result<Response> {
        let deadline = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        let mut renewed = false;
        loop {
            let token = self.session.token(self).await?;
            let request = request(&self.http).bearer_auth(token.expose_secret());
            let (wait, error) = match request.send().await {
                Ok(answer) if is_answer(answer.status()) => return Ok(answer),
                Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED && !renewed => {
                    // The clock may be wrong, or the login ended elsewhere.
                    renewed = true;
                    if self.session.renew(self, &token).await? {
                        continue;
                    }
                    return Err(Refused::read(answer).await.into());
                }
                Ok(answer) if is_not_now(answer.status()) => {
                    (retry_after(&answer), Refused::read(answer).await.into())
                }
                Ok(answer) => return Err(Refused::read(answer).await.into()),
                Err(error) => {
                    let server = &self.server;
                    (
                        None,
                        anyhow::Error::new(error.without_url())
                            .context(format!("no answer from {server}")),
                    )
                }
            };
            let wait = wait.unwrap_or(pause);
            if Instant::now() + wait > deadline {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A WebSocket, and the credential that it was opened with.
    pub(crate) async fn upgrade(
        &self,
        url: Url,
    ) -> anyhow::Result<(WebSocketStream<Upgraded>, SecretString)> {
        let key = handshake::client::generate_key();
        let token = self.token().await?;
        let request = |http: &reqwest::Client| {
            http.get(url.clone())
                .header(CONNECTION, "Upgrade")
                .header(UPGRADE, "websocket")
                .header(SEC_WEBSOCKET_VERSION, "13")
                .header(SEC_WEBSOCKET_KEY, &key)
        };
        let answer = self.send(request).await?;
        let accepted = handshake::derive_accept_key(key.as_bytes());
        let agreed = answer.headers().get(SEC_WEBSOCKET_ACCEPT);
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS
            || agreed.is_none_or(|agreed| agreed != accepted.as_str())
        {
            bail!("the server does not speak WebSocket, or something between does not let it");
        }
        let upgraded = answer
            .upgrade()
            .await
            .map_err(reqwest::Error::without_url)?;
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
        Ok((socket, token))
    }

    /// A credential that is good for a while.
    pub(crate) async fn token(&self) -> anyhow::Result<SecretString> {
        self.session.token(self).await
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Sends a request once, as nobody: logins.
    pub(crate) async fn post_once(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<Response> {
        self.once(self.http.post(self.url(path)?).json(body)).await
    }

    /// The same as a form (RFC 6749).
    pub(crate) async fn post_form(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> anyhow::Result<Response> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .finish();
        let form = self.http.post(self.url(path)?).body(body);
        self.once(form.header(CONTENT_TYPE, "application/x-www-form-urlencoded"))
            .await
    }

    async fn once(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let answer = request.send().await.map_err(reqwest::Error::without_url);
        let answer = answer.with_context(|| format!("no answer from {}", self.server))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(Refused::read(answer).await.into())
    }
}

fn is_answer(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS
}

fn is_not_now(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer
        .headers()
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

fn is_loopback(server: &Url) -> bool {
    match server.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}
