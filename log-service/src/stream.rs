//! `GET /api/v1/logs/stream`: entries as they are committed, over a WebSocket or as server-sent
//! events. What is sent comes from the ledger alone, so that it does not matter which replica an
//! entry was posted to. It holds no entry longer than it takes to send it.

mod audience;
mod backfill;
mod credential;
mod end;
mod events;
mod followed;
mod frames;
mod heart;
mod life;
mod mailbox;
mod outbox;
mod places;
mod room;
mod socket;
mod subscription;
mod tailer;
mod tails;

use std::io;
use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{self, FromRequestParts as _, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use ledger::Ledger;
use query::Follow;
use secrecy::ExposeSecret as _;
use service::background::{Background, half_of_the_cores};
use service::error::Problem;
use service::{ApiError, Caller, Permission, Place, Shutdown};
use tokio::sync::{Semaphore, mpsc};

use self::places::Places;
use self::room::Room;
use self::socket::Guest;
use self::subscription::Subscription;
use self::tailer::{Command, Tailer};
use crate::State;
use crate::config;
use crate::schema::{self, Conditions, Refusals};

/// Readers that look into the ledger's past at once; the rest of its connections is for requests.
const READING: usize = 3;

/// Niceness of the threads of the tailer and of all sockets. What is read and written for readers is work for a core for a
/// part of a millisecond at a time, and a lane that waits for it delays everybody who appends to its chains.
const GIVEN_WAY: i32 = 5;

/// What all streams of a process share.
#[derive(Clone)]
pub(crate) struct Streams {
    places: Places,
    room: Room,
    reading: Arc<Semaphore>,
    commands: mpsc::UnboundedSender<Command>,
    background: Arc<Background>,
    cut_off: Shutdown,
}

impl Streams {
    /// Starts the tailer, which ends with `shutdown`, and the threads that it shares with the sockets.
    ///
    /// # Errors
    /// Their threads cannot be started.
    pub(crate) fn start(
        settings: config::Streams,
        ledger: &Ledger,
        shutdown: Shutdown,
    ) -> io::Result<Self> {
        let (commands, receiver) = mpsc::unbounded_channel();
        let background = Background::start("stream", half_of_the_cores(), GIVEN_WAY)?;
        let room = Room::default();
        let tailer = Tailer::new(ledger.tail(), receiver, room.clone());
        background.handle().spawn(tailer.run(shutdown));
        Ok(Self {
            places: Places::new(settings.max_streams, settings.max_tenant_streams),
            room,
            reading: Arc::new(Semaphore::new(READING)),
            commands,
            background: Arc::new(background),
            cut_off: Shutdown::new(),
        })
    }

    /// Ends every stream with a reason, waits, for a bounded time, until their readers are gone, and cuts off the others.
    pub(crate) async fn close(&self) {
        self.places.close().await;
        self.cut_off.begin();
    }

    /// Runs a socket's conversation on the tailer's threads: what it is told wakes none of those that serve requests.
    fn talk(&self, conversation: impl Future<Output = ()> + Send + 'static) {
        let cut_off = self.cut_off.clone();
        self.background.lend(async move {
            tokio::select! {
                () = conversation => {}
                () = cut_off.wait() => {}
            }
        });
    }

    fn send(&self, command: Command) {
        // Without a tailer the process ends.
        let _ = self.commands.send(command);
    }
}

/// Follow the trail
///
/// Entries as they are committed, through whichever replica: within a partition in the order of
/// `seq`, over partitions as they arrive. With `after` everything behind that cursor comes first, with
/// `from` everything received since, without a gap and without a repetition.
///
/// **WebSocket** (`Upgrade: websocket`): each text message is one frame. The credential comes in the
/// `Authorization` header, in a subprotocol `bearer.<token>` offered beside `veritrail.stream.v1`, or
/// as the first message, `{"type":"auth","token":"…"}`, within 10 s. The same message with a new token
/// of the same account lets the stream go on when the old one expires. Anything else that a client
/// sends closes the socket.
///
/// **Server-sent events** (`Accept: text/event-stream`): each event is one frame, its id the cursor,
/// its name the frame's type; `Last-Event-ID` takes the place of `after`.
///
/// The last frame is `end` with a code; a WebSocket then closes with 1001 (`stopping`), 1008
/// (`bad_message`, `too_many_messages`), or 4000 plus the HTTP status that a request would get:
/// 4401 (`token_expired`, `credential_revoked`, `bad_credential`), 4403 (`tenant_suspended`,
/// `forbidden`, `other_caller`), 4408 (`authentication_timeout`), 4422 (`too_many_partitions`), 4429, 4503
/// (`status_stale`, `database_unavailable`, `rollback_detected`). Go on with `after` and the last
/// `cursor`. A client that takes nothing for 30 s is disconnected.
#[utoipa::path(
    get, path = "/api/v1/logs/stream", operation_id = "follow_entries", tag = "read",
    params(
        Conditions,
        ("after" = Option<String>, Query, description = "`cursor` of the last frame that was read; without it, and without `from`, a stream begins now"),
        ("last-event-id" = Option<String>, Header, description = "The same, in the place of `after`, as browsers send it when server-sent events broke off"),
    ),
    responses(
        (status = 101, description = "A WebSocket"),
        (status = 200, description = "Events", body = schema::Frame, content_type = "text/event-stream"),
        (status = 400, description = "Neither a WebSocket nor events were asked for, or the upgrade is not one", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "As many streams are open as may be", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub(crate) async fn follow(
    extract::State(state): extract::State<State>,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let upgrades = is_upgrade(&parts.headers);
    let caller = caller(&mut parts, &state, upgrades).await?;
    if let Some(caller) = &caller {
        caller.require(Permission::Read)?;
    }
    let asked = Follow::parse(parts.uri.query().unwrap_or_default());
    let mut follow = asked.map_err(invalid)?;
    if upgrades {
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &state).await;
        let upgrade = upgrade.map_err(|rejection| ApiError::BadRequest {
            code: "bad_upgrade",
            detail: rejection.to_string(),
        })?;
        let guest = if let Some(caller) = caller {
            Guest::Known(Box::new(Subscription::open(&state, caller, follow).await?))
        } else {
            let place = state.streams().places.take(None)?;
            Guest::Stranger(Box::new((follow, place)))
        };
        return Ok(socket::accept(upgrade, state, guest));
    }
    let Some(caller) = caller.filter(|_| events::wanted(&parts.headers)) else {
        return Err(ApiError::BadRequest {
            code: "not_a_stream",
            detail: "ask for a WebSocket, or accept text/event-stream".to_owned(),
        });
    };
    events::resume(&parts.headers, &mut follow)?;
    Ok(events::answer(
        Subscription::open(&state, caller, follow).await?,
    ))
}

/// Who asks; `None` for a WebSocket on which nobody has said so yet.
async fn caller(
    parts: &mut Parts,
    state: &State,
    upgrades: bool,
) -> Result<Option<Caller>, ApiError> {
    if upgrades {
        if let Some(credential) = credential::offered(&parts.headers)? {
            let admitted = state.access().admit_reader(credential.expose_secret());
            return admitted.await.map(Some);
        }
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(None);
        }
    }
    Caller::from_request_parts(parts, state).await.map(Some)
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    let wanted = headers.get_all(header::UPGRADE).iter();
    let mut wanted = wanted.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    wanted.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

fn invalid(faults: Vec<query::Fault>) -> ApiError {
    let place = |fault: query::Fault| Place::new(fault.path, fault.message);
    ApiError::Invalid(faults.into_iter().map(place).collect())
}
