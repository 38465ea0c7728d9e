//! The live stream, without its interruptions: a lost connection is made again
//! behind the last entry that came, a token is replaced before it expires, and
//! what a slow terminal made the server leave out is fetched from where it was.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Upgraded;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::Place;
use crate::client::Client;

/// The server gives a sign of life every 15 s.
const SILENCE: Duration = Duration::from_secs(50);
/// How often it is looked at whether there is a newer token.
const LOOK: Duration = Duration::from_secs(5);
/// How often a credential that stays the same is shown again: an API key opens
/// the stream for a quarter of an hour at a time.
const AGAIN: Duration = Duration::from_mins(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What comes over it.
pub(super) enum Event {
    Entry(Value),
    /// What is stored there is not what was recorded.
    Unreadable(Place),
}

pub(super) struct Stream<'a> {
    client: &'a Client,
    partition: Option<&'a str>,
    socket: Option<Socket>,
    /// Everything up to here was given out; the server's, opaque.
    cursor: Option<String>,
    /// Since when there is no connection, and how long to wait for the next.
    away: Option<Instant>,
    pause: Duration,
}

struct Socket {
    inner: WebSocketStream<Upgraded>,
    shown: SecretString,
    shown_at: Instant,
    heard_at: Instant,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Frame {
    Ready {
        cursor: String,
    },
    Entry {
        cursor: String,
        entry: Value,
    },
    Unreadable {
        cursor: String,
        #[serde(flatten)]
        place: Gap,
    },
    Lagged,
    Heartbeat {
        cursor: Option<String>,
    },
    End {
        code: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Gap {
    partition: String,
    #[serde(default = "super::first_generation")]
    generation: u64,
    from: u64,
}

impl<'a> Stream<'a> {
    /// Returns when entries that are committed from now on will come.
    pub(super) async fn open(
        client: &'a Client,
        partition: Option<&'a str>,
    ) -> anyhow::Result<Self> {
        let mut stream = Self {
            client,
            partition,
            socket: None,
            cursor: None,
            away: None,
            pause: FIRST_PAUSE,
        };
        while stream.cursor.is_none() {
            match stream.frame().await? {
                Some(Frame::Ready { cursor }) => stream.cursor = Some(cursor),
                Some(_) => bail!("the server's stream is not what this program knows"),
                None => {}
            }
        }
        Ok(stream)
    }

    /// The next event, over as many connections as it takes.
    pub(super) async fn next(&mut self) -> anyhow::Result<Event> {
        loop {
            match self.frame().await? {
                Some(Frame::Entry { cursor, entry }) => {
                    self.cursor = Some(cursor);
                    return Ok(Event::Entry(entry));
                }
                Some(Frame::Unreadable { cursor, place }) => {
                    self.cursor = Some(cursor);
                    return Ok(Event::Unreadable(Place {
                        partition: place.partition,
                        generation: place.generation,
                        seq: place.from,
                    }));
                }
                Some(
                    Frame::Ready { cursor }
                    | Frame::Heartbeat {
                        cursor: Some(cursor),
                    },
                ) => {
                    self.cursor = Some(cursor);
                }
                // What was left out is behind the cursor that we have.
                Some(Frame::Lagged) => self.socket = None,
                Some(Frame::End { .. } | Frame::Heartbeat { .. } | Frame::Other) | None => {}
            }
        }
    }

    /// The next frame; `None` when the connection has to be made again.
    async fn frame(&mut self) -> anyhow::Result<Option<Frame>> {
        if self.socket.is_none() {
            self.connect().await?;
        }
        let Some(socket) = &mut self.socket else {
            return Ok(None);
        };
        let Some(text) = socket.text(self.client).await? else {
            self.socket = None;
            return Ok(None);
        };
        let frame: Frame = serde_json::from_str(&text)
            .context("the server's stream is not what this program knows")?;
        if let Frame::End { code } = &frame {
            self.socket = None;
            if !is_passing(code) {
                bail!("the server ended the stream: {code}");
            }
            return Ok(None);
        }
        (self.away, self.pause) = (None, FIRST_PAUSE);
        Ok(Some(frame))
    }

    /// Waits a little longer each time, for as long as the patience lasts.
    async fn connect(&mut self) -> anyhow::Result<()> {
        let away = *self.away.get_or_insert_with(Instant::now);
        if away.elapsed() > self.client.patience() {
            bail!("the stream broke off, again and again");
        }
        if self.cursor.is_some() {
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        let mut url = self.client.url("api/v1/logs/stream")?;
        for (name, value) in [
            ("partition", self.partition),
            ("after", self.cursor.as_deref()),
        ] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let (inner, shown) = self.client.upgrade(url).await?;
        self.socket = Some(Socket {
            inner,
            shown,
            shown_at: Instant::now(),
            heard_at: Instant::now(),
        });
        Ok(())
    }
}

impl Socket {
    /// The next text; `None` when there will be none.
    async fn text(&mut self, client: &Client) -> anyhow::Result<Option<String>> {
        loop {
            let Ok(received) = tokio::time::timeout(LOOK, self.inner.next()).await else {
                if self.heard_at.elapsed() > SILENCE || !self.show(client).await? {
                    return Ok(None);
                }
                continue;
            };
            self.heard_at = Instant::now();
            // A stream that is never silent expires as well.
            if self.shown_at.elapsed() > LOOK && !self.show(client).await? {
                return Ok(None);
            }
            match received {
                Some(Ok(Message::Text(text))) => return Ok(Some(text.as_str().to_owned())),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(None),
                Some(Ok(_)) => {}
            }
        }
    }

    /// Shows the server the credential of this moment where it is another one, or
    /// was not shown for long; `false` when it cannot be.
    async fn show(&mut self, client: &Client) -> anyhow::Result<bool> {
        let token = client.token().await?;
        let same = token.expose_secret() == self.shown.expose_secret();
        if same && self.shown_at.elapsed() < AGAIN {
            return Ok(true);
        }
        let message = json!({"type": "auth", "token": token.expose_secret()});
        (self.shown, self.shown_at) = (token, Instant::now());
        let sent = self.inner.send(Message::text(message.to_string())).await;
        Ok(sent.is_ok())
    }
}

/// Whether another connection may fare better. A token that expired is replaced
/// on the way to it.
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "stopping"
            | "token_expired"
            | "status_stale"
            | "database_unavailable"
            | "access_record_unavailable"
            | "auth_unavailable"
            | "too_many_requests"
    )
}
