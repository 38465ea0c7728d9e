//! One reader's stream, whatever it is sent over: what the ledger has from his position on, then
//! what comes. At every step it is looked at whether he may go on.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ledger::{Tenant, Times, Window};
use query::{Follow, MAX_CHAINS, Position, Reach};
use service::{ApiError, Caller};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use super::audience::Audience;
use super::backfill::{Backfill, Read};
use super::end::End;
use super::frames::Frame;
use super::mailbox::{Mailbox, Taken};
use super::places::Place;
use super::room::Share;
use super::tailer::{Command, JOIN_PATIENCE, Join, Positions, Refusal};
use crate::State;
use crate::access_record::{self, SYSTEM};
use crate::read::visible;
use crate::state::{tenant, unanswered};

/// How often it is looked at whether the reader may go on, when nothing comes.
const CHECK: Duration = Duration::from_secs(1);
/// A stream that lasts is recorded again, so that every window of records has what was open in it.
const RECORD: Duration = Duration::from_mins(5);

pub(super) struct Subscription {
    state: State,
    caller: Caller,
    tenant: Tenant,
    audience: Audience,
    phase: Phase,
    mailbox: Arc<Mailbox>,
    share: Share,
    check_at: Instant,
    record_at: Instant,
    _place: Place,
}

enum Phase {
    /// Reads what there is, until little is missing.
    Behind(Backfill),
    /// Has asked for what comes; waits to hear where that begins.
    Joining(Read, oneshot::Receiver<Result<Positions, Refusal>>),
    /// Reads what is missing up to there, while what comes waits in the mailbox.
    Between(Backfill),
    Live,
}

impl Subscription {
    /// Checks everything that can be refused, and begins: of what is committed from now on, and of
    /// what was behind the position, the reader hears all.
    pub(super) async fn open(
        state: &State,
        caller: Caller,
        follow: Follow,
    ) -> Result<Self, ApiError> {
        let audience = Audience::of(&caller, follow.filter)?;
        if let Some(after) = &follow.after {
            may_go_on(&caller, &audience, after)?;
        }
        let tenant = tenant(&caller)?;
        let streams = state.streams();
        let place = streams.places.take(Some(tenant.id))?;
        record(state, &caller, &audience).await?;
        let now = Instant::now();
        let share = streams.room.share(tenant.id);
        let mut subscription = Self {
            state: state.clone(),
            caller,
            tenant,
            phase: Phase::Live,
            mailbox: Arc::new(Mailbox::new(share.clone())),
            share,
            check_at: now + CHECK,
            record_at: now + RECORD,
            _place: place,
            audience,
        };
        if follow.after.is_none() && subscription.audience.filter.from().is_none() {
            subscription.begin_now().await?;
        } else {
            subscription.begin_before(follow.after).await?;
        }
        Ok(subscription)
    }

    async fn begin_before(&mut self, after: Option<Position>) -> Result<(), ApiError> {
        let filter = &self.audience.filter;
        // A position is more exact than a time.
        let times = Times {
            from: filter.from().filter(|_| after.is_none()),
            to: None,
        };
        let named: Vec<_> = filter.partition().map(str::to_owned).into_iter().collect();
        let windows = self.state.ledger().windows(&self.tenant, &named, times);
        let mut windows = windows.await.map_err(unanswered)?;
        windows.retain(|window| self.audience.covers(&window.partition));
        if windows.iter().filter(|window| window.to > 0).count() > MAX_CHAINS {
            return Err(too_many_partitions());
        }
        let read = match after {
            Some(after) => positions(&after, &windows)?,
            None => windows
                .iter()
                .map(|window| {
                    let at = (window.generation, window.from);
                    (window.partition.as_str().into(), at)
                })
                .collect(),
        };
        self.phase = Phase::Behind(Backfill::new(read, self.share.clone()));
        Ok(())
    }

    async fn begin_now(&mut self) -> Result<(), ApiError> {
        // The tailer itself may be waiting for the ledger.
        match timeout(JOIN_PATIENCE, self.ask(Vec::new())).await {
            Ok(Ok(Ok(positions))) => {
                self.go_live(&positions);
                Ok(())
            }
            Ok(Ok(Err(Refusal::TooManyPartitions))) => Err(too_many_partitions()),
            Ok(Ok(Err(Refusal::Unavailable)) | Err(_)) | Err(_) => Err(ApiError::Unavailable {
                code: "database_unavailable",
                retry_after: Duration::from_secs(1),
                source: None,
            }),
        }
    }

    fn ask(&self, read: Positions) -> oneshot::Receiver<Result<Positions, Refusal>> {
        let (answer, answered) = oneshot::channel();
        self.state.streams().send(Command::Join(Box::new(Join {
            tenant: self.tenant.clone(),
            audience: self.audience.clone(),
            mailbox: Arc::clone(&self.mailbox),
            read,
            asked: Instant::now(),
            answer,
        })));
        answered
    }

    fn go_live(&mut self, positions: &Positions) {
        let chains = positions
            .iter()
            .map(|(name, generation, next)| (&**name, *generation, *next));
        let frame = Frame::ready(&self.audience.cursor(chains));
        self.mailbox.first(&Arc::new(frame));
        self.phase = Phase::Live;
    }

    /// What is to be sent next, as soon as there is something. Cancel-safe. After an end nothing
    /// comes any more.
    pub(super) async fn next(&mut self) -> Taken {
        let places = self.state.streams().places.clone();
        loop {
            let stepped = tokio::select! {
                biased;
                () = places.stopping() => Err(End::Stopping),
                stepped = self.step() => stepped,
            };
            match stepped {
                Ok(taken) if taken.frames.is_empty() && taken.end.is_none() => {}
                Ok(taken) => return taken,
                Err(end) => return Taken::end(end),
            }
        }
    }

    /// Returns when the reader may have nothing more, while nothing is asked of [`Self::next`]. Cancel-safe.
    pub(super) async fn cut_off(&mut self) -> End {
        let places = self.state.streams().places.clone();
        loop {
            tokio::select! {
                () = places.stopping() => return End::Stopping,
                () = sleep_until(self.check_at) => {}
            }
            if let Err(end) = self.check().await {
                return end;
            }
        }
    }

    /// Whether the reader may have the rest of what [`Self::next`] gave.
    pub(super) async fn check_again(&mut self) -> Result<(), End> {
        let places = self.state.streams().places.clone();
        tokio::select! {
            biased;
            () = places.stopping() => Err(End::Stopping),
            checked = self.check() => checked,
        }
    }

    async fn step(&mut self) -> Result<Taken, End> {
        self.check().await?;
        match &mut self.phase {
            Phase::Live => {
                tokio::select! {
                    biased;
                    taken = self.mailbox.take() => return Ok(taken),
                    () = sleep_until(self.check_at) => {}
                }
            }
            Phase::Behind(backfill) | Phase::Between(backfill) => {
                let page = backfill.page(&self.state, &self.tenant, &self.audience);
                let frames = page.await?;
                self.advance();
                return Ok(Taken { frames, end: None });
            }
            Phase::Joining(_, answer) => {
                let answered = tokio::select! {
                    answered = answer => answered,
                    () = sleep_until(self.check_at) => return Ok(Taken::default()),
                };
                match answered {
                    Ok(Ok(positions)) => self.joined(positions),
                    Ok(Err(Refusal::TooManyPartitions)) => return Err(End::TooManyPartitions),
                    Ok(Err(Refusal::Unavailable)) | Err(_) => return Err(End::UNAVAILABLE),
                }
            }
        }
        Ok(Taken::default())
    }

    /// Whether the reader may have more.
    async fn check(&mut self) -> Result<(), End> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        if u64::try_from(self.caller.expires_at).unwrap_or_default() <= now {
            let code = "token_expired";
            return Err(End::refused(&ApiError::Unauthorized { code }));
        }
        let admitted = self.state.access().admit_read(&self.caller);
        admitted.map_err(|error| End::refused(&error))?;
        let now = Instant::now();
        self.check_at = now + CHECK;
        if now >= self.record_at {
            let recorded = record(&self.state, &self.caller, &self.audience).await;
            recorded.map_err(|error| End::refused(&error))?;
            self.record_at = now + RECORD;
        }
        Ok(())
    }

    /// Where a backfill has come to its end.
    fn advance(&mut self) {
        match &mut self.phase {
            Phase::Behind(backfill) if backfill.is_close() => {
                let read = backfill.read().clone();
                let positions = read.iter().map(|(name, at)| (Arc::clone(name), at.0, at.1));
                let answer = self.ask(positions.collect());
                self.phase = Phase::Joining(read, answer);
            }
            Phase::Between(backfill) if backfill.is_done() => {
                let positions = backfill.until();
                self.go_live(&positions);
            }
            _ => {}
        }
    }

    fn joined(&mut self, positions: Positions) {
        if let Phase::Joining(read, _) = &mut self.phase {
            let backfill = Backfill::up_to(std::mem::take(read), positions, self.share.clone());
            self.phase = Phase::Between(backfill);
            self.advance();
        }
    }

    /// A new token of the same reader, for as long as it is good.
    pub(super) fn renew(&mut self, caller: Caller) -> Result<(), End> {
        let same = caller.principal == self.caller.principal && caller.tenant == self.caller.tenant;
        let audience = Audience::of(&caller, self.audience.filter.clone());
        let audience = audience.map_err(|error| End::refused(&error))?;
        if !same || audience != self.audience {
            return Err(End::OtherCaller);
        }
        self.caller = caller;
        Ok(())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.state.streams().send(Command::Leave {
            tenant: self.tenant.id,
            mailbox: Arc::clone(&self.mailbox),
        });
    }
}

/// A position may name only what its sender may read.
fn may_go_on(caller: &Caller, audience: &Audience, after: &Position) -> Result<(), ApiError> {
    let mut names = after.chains.iter().map(|next| next.partition.as_str());
    let more = after.reach == Reach::Every && audience.reach == Reach::Ordinary;
    if more || names.any(|name| !visible(caller, name)) {
        return Err(ApiError::Forbidden { code: "forbidden" });
    }
    Ok(())
}

/// Where a position is in the chains that there are now.
fn positions(after: &Position, windows: &[Window]) -> Result<Read, ApiError> {
    let mut read = Read::new();
    for window in windows {
        let next = after
            .chains
            .iter()
            .find(|next| next.partition == window.partition);
        // What the position's reader could not see begins now.
        let unseen = after.reach == Reach::Ordinary && window.partition == SYSTEM;
        let at = match next {
            Some(next) => (next.generation, next.seq),
            None if unseen => (window.generation, window.to),
            None => (1, 0),
        };
        if at > (window.generation, window.to) {
            return Err(beyond());
        }
        read.insert(window.partition.as_str().into(), at);
    }
    let mut names = after.chains.iter().map(|next| next.partition.as_str());
    if names.any(|name| !read.contains_key(name)) {
        return Err(beyond());
    }
    Ok(read)
}

async fn record(state: &State, caller: &Caller, audience: &Audience) -> Result<(), ApiError> {
    let read = access_record::Read::Follow(&audience.filter);
    state.access_records().count(state, caller, read).await
}

fn beyond() -> ApiError {
    ApiError::invalid(
        "query.after",
        "beyond the end of the trail: of another installation, or from before the database was restored",
    )
}

fn too_many_partitions() -> ApiError {
    ApiError::invalid(
        "query.partition",
        "more than 64 partitions have entries; name one",
    )
}
