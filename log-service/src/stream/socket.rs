//! A stream over a WebSocket. Frames are text messages; the last one says why it ends, and so does
//! the close. A client says only who it is. What it sends is bounded, in size, number and time.

use std::future::ready;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::SinkExt as _;
use query::Follow;
use secrecy::ExposeSecret as _;
use service::ApiError;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite;

use super::credential::{self, PROTOCOL};
use super::end::End;
use super::frames::Frame;
use super::life::Life;
use super::mailbox::Taken;
use super::outbox::Outbox;
use super::places::Place;
use super::subscription::Subscription;
use crate::State;

/// From the upgrade to the credential.
const INTRODUCTION: Duration = Duration::from_secs(10);
/// For the last frame, and for the client's answer to the close.
const FAREWELL: Duration = Duration::from_secs(2);
/// A token is at most 4 KiB.
const MESSAGE_BYTES: usize = 8 << 10;
/// Of a client in a minute, pings included.
const MESSAGES: u32 = 120;
const MINUTE: Duration = Duration::from_mins(1);
const READ_BUFFER: usize = 4 << 10;
const WRITE_BUFFER: usize = 32 << 10;

/// Who a socket is for.
pub(super) enum Guest {
    Known(Box<Subscription>),
    Stranger(Box<(Follow, Place)>),
}

/// The answer that makes a WebSocket of the connection.
pub(super) fn accept(upgrade: WebSocketUpgrade, state: State, guest: Guest) -> Response {
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(MESSAGE_BYTES)
        .max_frame_size(MESSAGE_BYTES)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .on_upgrade(async move |mut socket| {
            let streams = state.streams().clone();
            streams.talk(async move {
                let closing = serve(&mut socket, &state, guest).await;
                let _ = timeout(FAREWELL, say_goodbye(&mut socket, closing.err())).await;
            });
        })
}

/// How a socket is closed.
enum Close {
    /// With a last frame.
    End(End),
    /// The client broke the protocol.
    Protocol { code: u16, reason: &'static str },
}

impl From<End> for Close {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

/// Until the client is gone, or there is a reason to close.
async fn serve(socket: &mut WebSocket, state: &State, guest: Guest) -> Result<(), Close> {
    let subscription = match guest {
        Guest::Known(subscription) => Some(*subscription),
        Guest::Stranger(asked) => introduce(socket, state, *asked).await?,
    };
    match subscription {
        Some(subscription) => talk(socket, state, subscription).await,
        None => Ok(()),
    }
}

/// Waits for the credential; `None` when the client left.
async fn introduce(
    socket: &mut WebSocket,
    state: &State,
    (follow, place): (Follow, Place),
) -> Result<Option<Subscription>, Close> {
    let deadline = Instant::now() + INTRODUCTION;
    let mut allowance = Allowance::new();
    loop {
        let received = tokio::select! {
            received = timeout_at(deadline, socket.recv()) => received,
            () = state.streams().places.stopping() => return Err(End::Stopping.into()),
        };
        let Ok(received) = received else {
            return Err(End::AuthenticationTimeout.into());
        };
        allowance.spend()?;
        let text = match understand(received)? {
            ControlFlow::Break(()) => return Ok(None),
            ControlFlow::Continue(None) => continue,
            ControlFlow::Continue(Some(text)) => text,
        };
        let token = credential::said(&text).ok_or(End::BadMessage)?;
        let caller = state.access().admit_reader(token.expose_secret()).await;
        let caller = caller.map_err(|error| refused(&error))?;
        let opened = Subscription::open(state, caller, follow).await;
        drop(place);
        return opened.map(Some).map_err(|error| refused(&error));
    }
}

async fn talk(
    socket: &mut WebSocket,
    state: &State,
    mut subscription: Subscription,
) -> Result<(), Close> {
    let mut allowance = Allowance::new();
    let mut life = Life::new(Instant::now());
    let mut outbox = Outbox::from(Taken::default());
    loop {
        tokio::select! {
            // What a client has said is known before it is given up.
            biased;
            received = socket.recv() => {
                life.heard(Instant::now());
                allowance.spend()?;
                let text = match understand(received)? {
                    ControlFlow::Break(()) => return Ok(()),
                    ControlFlow::Continue(None) => continue,
                    ControlFlow::Continue(Some(text)) => text,
                };
                let frame = renew(state, &mut subscription, &text).await?;
                if socket.send(Message::Text(frame.text)).await.is_err() {
                    return Ok(());
                }
            }
            () = sleep_until(life.ping_at) => {
                let ping = Message::Ping(Bytes::new());
                if life.is_gone(Instant::now()) || socket.send(ping).await.is_err() {
                    return Ok(());
                }
                life.pinged(Instant::now());
            }
            taken = subscription.next(), if outbox.is_empty() => outbox = taken.into(),
            () = ready(()), if !outbox.is_empty() => {
                let begun = Instant::now();
                if send(socket, &mut subscription, &outbox.portion()).await?.is_err() {
                    return Ok(());
                }
                life.took(begun.elapsed());
            }
        }
        if let Some(end) = outbox.end() {
            return Err(end.into());
        }
    }
}

/// Takes a new credential.
async fn renew(state: &State, subscription: &mut Subscription, text: &str) -> Result<Frame, Close> {
    let token = credential::said(text).ok_or(End::BadMessage)?;
    let caller = state.access().admit_reader(token.expose_secret()).await;
    let caller = caller.map_err(|error| refused(&error))?;
    let expires_at = caller.expires_at;
    subscription.renew(caller)?;
    Ok(Frame::authenticated(expires_at))
}

/// A client that takes nothing for too long is cut off below us; until then also one that takes little must be one that
/// may have it.
async fn send(
    socket: &mut WebSocket,
    subscription: &mut Subscription,
    frames: &[Arc<Frame>],
) -> Result<Result<(), axum::Error>, End> {
    let sending = async {
        for frame in frames {
            socket.feed(Message::Text(frame.text.clone())).await?;
        }
        socket.flush().await
    };
    tokio::select! {
        biased;
        end = subscription.cut_off() => Err(end),
        sent = sending => Ok(sent),
    }
}

/// A text, nothing to be answered, or the client's end.
fn understand(
    received: Option<Result<Message, axum::Error>>,
) -> Result<ControlFlow<(), Option<String>>, Close> {
    Ok(match received {
        Some(Ok(Message::Text(text))) => ControlFlow::Continue(Some(text.to_string())),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => ControlFlow::Continue(None),
        Some(Ok(Message::Binary(_))) => {
            return Err(Close::Protocol {
                code: 1003,
                reason: "text_expected",
            });
        }
        Some(Ok(Message::Close(_))) | None => ControlFlow::Break(()),
        Some(Err(error)) => return broken(error),
    })
}

/// RFC 6455 §7.4.1.
fn broken(error: axum::Error) -> Result<ControlFlow<(), Option<String>>, Close> {
    let error = error.into_inner();
    let (code, reason) = match error.downcast_ref::<tungstenite::Error>() {
        Some(tungstenite::Error::Capacity(_)) => (1009, "message_too_big"),
        Some(tungstenite::Error::Utf8(_)) => (1007, "not_utf8"),
        Some(tungstenite::Error::Protocol(
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        )) => return Ok(ControlFlow::Break(())),
        Some(tungstenite::Error::Protocol(_)) => (1002, "protocol_error"),
        _ => return Ok(ControlFlow::Break(())),
    };
    Err(Close::Protocol { code, reason })
}

fn refused(error: &ApiError) -> Close {
    if let ApiError::Internal(source) = error {
        tracing::error!(error = format!("{source:#}"), "a stream is refused");
    }
    End::refused(error).into()
}

async fn say_goodbye(socket: &mut WebSocket, close: Option<Close>) -> Result<(), axum::Error> {
    let close = match close {
        Some(Close::End(end)) => {
            let frame = Frame::end(end);
            socket.feed(Message::Text(frame.text)).await?;
            Some((end.close_code(), end.code()))
        }
        Some(Close::Protocol { code, reason }) => Some((code, reason)),
        None => None,
    };
    if let Some((code, reason)) = close {
        let reason = reason.into();
        let frame = CloseFrame { code, reason };
        socket.send(Message::Close(Some(frame))).await?;
    }
    // The client's answer, or ours to its close, so that nothing is lost on its way.
    while let Some(Ok(_)) = socket.recv().await {}
    Ok(())
}

/// How many messages a client may still send.
struct Allowance {
    left: u32,
    until: Instant,
}

impl Allowance {
    fn new() -> Self {
        Self {
            left: MESSAGES,
            until: Instant::now() + MINUTE,
        }
    }

    fn spend(&mut self) -> Result<(), End> {
        if Instant::now() >= self.until {
            *self = Self::new();
        }
        self.left = self.left.checked_sub(1).ok_or(End::TooManyMessages)?;
        Ok(())
    }
}
