//! Delivery of the outbox to log-service, in order per tenant.
//!
//! The order does not rest on the lease, which only saves work: whoever delivers posts entry n + 1 after entry n was acknowledged, and an entry
//! that was posted twice changes nothing the second time, since its id is fixed. So two deliverers at once, or one that dies between the
//! acknowledgement and the delete, never reorder and never repeat.

use std::time::Duration;

use anyhow::Context;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use futures_util::StreamExt;
use service::Shutdown;
use uuid::Uuid;

use crate::State;

/// Tenants that are served at the same time, so that a slow one does not hold up the rest.
const TENANTS_AT_ONCE: usize = 8;
/// Longer than a post may take, with its time-out of 10 s.
const LEASE_SECONDS: f64 = 30.0;
/// Entries of one tenant in one turn.
const TURN: usize = 200;
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What one round over the outbox did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    pub delivered: usize,
    /// Refused by log-service for good, and kept.
    pub parked: usize,
    /// Tenants that have to wait because log-service did not answer.
    pub waiting: usize,
}

/// How the delivery of one tenant's entries ended.
enum Turn {
    /// Nothing is owed.
    Done,
    /// More than a turn's worth is owed.
    More,
    /// log-service could not take the next one now.
    Waiting(Option<Duration>),
}

/// What log-service said to one entry.
enum Answer {
    Taken,
    Refused(String),
    NotNow(Option<Duration>),
}

struct Owed {
    number: i64,
    id: Uuid,
    entry: String,
    code: String,
}

impl State {
    /// Delivers what is owed and due, until nothing is left or log-service does not answer. Steppable: `run` does this whenever something was written, and each second.
    pub async fn deliver_outbox(&self) -> anyhow::Result<Round> {
        let mut total = Round::default();
        loop {
            let tenants = self.lease_due().await?;
            if tenants.is_empty() {
                return Ok(total);
            }
            let rounds: Vec<anyhow::Result<Round>> = futures_util::stream::iter(tenants)
                .map(|tenant| self.deliver_leased(tenant))
                .buffer_unordered(TENANTS_AT_ONCE)
                .collect()
                .await;
            for round in rounds {
                let round = round?;
                total.delivered += round.delivered;
                total.parked += round.parked;
                total.waiting += round.waiting;
            }
        }
    }

    /// Delivers one tenant's entries now, whoever has the lease; whether that left nothing owed.
    pub(crate) async fn deliver_now(&self, tenant: Uuid) -> anyhow::Result<bool> {
        let mut round = Round::default();
        loop {
            match self.deliver_turn(tenant, &mut round).await? {
                Turn::Done => return Ok(true),
                Turn::More => {}
                Turn::Waiting(_) => return Ok(false),
            }
        }
    }

    /// Takes the lease of every tenant that is owed something, is due, and is nobody else's.
    async fn lease_due(&self) -> sqlx::Result<Vec<Uuid>> {
        sqlx::query_scalar!(
            r#"insert into auth.outbox_leases as l (tenant_id, holder, until)
               select distinct o.tenant_id, $1::uuid, now() + make_interval(secs => $2)
               from auth.outbox o where o.parked_at is null
               on conflict (tenant_id) do update set holder = $1, until = excluded.until
               where l.retry_at <= now() and (l.until < now() or l.holder = $1)
               returning tenant_id"#,
            self.replica(),
            LEASE_SECONDS,
        )
        .fetch_all(self.pool())
        .await
    }

    async fn deliver_leased(&self, tenant: Uuid) -> anyhow::Result<Round> {
        let mut round = Round::default();
        let (failed, pause) = match self.deliver_turn(tenant, &mut round).await? {
            Turn::Done | Turn::More => (false, Duration::ZERO),
            Turn::Waiting(pause) => (true, pause.unwrap_or_default().min(LONGEST_PAUSE)),
        };
        round.waiting = usize::from(failed);
        // Between a half and the whole of a pause that doubles from half a second, so that replicas do not come back together.
        sqlx::query!(
            "update auth.outbox_leases
             set until = now(),
                 failures = case when $3 then least(failures + 1, 20) else 0 end,
                 retry_at = case when $3 then now() + make_interval(secs => greatest($4,
                     least($5, 0.5 * power(2, least(failures, 20))) * (0.5 + random() / 2))) else now() end
             where tenant_id = $1 and holder = $2",
            tenant,
            self.replica(),
            failed,
            pause.as_secs_f64(),
            LONGEST_PAUSE.as_secs_f64(),
        )
        .execute(self.pool())
        .await?;
        Ok(round)
    }

    async fn deliver_turn(&self, tenant: Uuid, round: &mut Round) -> anyhow::Result<Turn> {
        for _ in 0..TURN {
            let Some(owed) = self.next_owed(tenant).await? else {
                return Ok(Turn::Done);
            };
            match self.post(tenant, &owed).await? {
                Answer::Taken => {
                    self.settle(tenant, &owed).await?;
                    round.delivered += 1;
                    metrics::counter!("auth_outbox_delivered_total").increment(1);
                }
                Answer::Refused(reason) => {
                    self.park(tenant, &owed, &reason).await?;
                    round.parked += 1;
                    metrics::counter!("auth_outbox_parked_total").increment(1);
                    tracing::error!(entry = %owed.id, reason, "log-service refused an entry; it is parked");
                }
                Answer::NotNow(pause) => return Ok(Turn::Waiting(pause)),
            }
        }
        Ok(Turn::More)
    }

    async fn next_owed(&self, tenant: Uuid) -> sqlx::Result<Option<Owed>> {
        sqlx::query_as!(
            Owed,
            "select o.number, o.id, o.entry, t.code
             from auth.outbox o join auth.tenants t on t.id = o.tenant_id
             where o.tenant_id = $1 and o.parked_at is null
             order by o.number limit 1",
            tenant,
        )
        .fetch_optional(self.pool())
        .await
    }

    async fn post(&self, tenant: Uuid, owed: &Owed) -> anyhow::Result<Answer> {
        let token = self.internal_token(tenant, &owed.code)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut bearer =
            HeaderValue::try_from(format!("Bearer {token}")).context("a token is header text")?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        let response = self
            .http()
            .post(self.log_entries_url())
            .headers(headers)
            .body(owed.entry.clone())
            .send()
            .await;
        match response {
            Ok(response) => Ok(read_answer(response).await),
            Err(error) => {
                tracing::debug!(%error, "log-service does not answer");
                Ok(Answer::NotNow(None))
            }
        }
    }

    /// Acknowledged: nothing is owed for it any more, and what waited for it may go on. Dying before this commits posts it again, which changes nothing.
    async fn settle(&self, tenant: Uuid, owed: &Owed) -> sqlx::Result<()> {
        let mut tx = self.transaction().await?;
        sqlx::query!(
            "update auth.break_glass set granted_at = now(), expires_at = now() + make_interval(secs => $3)
             where tenant_id = $1 and entry_id = $2 and granted_at is null",
            tenant,
            owed.id,
            crate::tenants::break_glass::GRANT_SECONDS,
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "delete from auth.outbox where tenant_id = $1 and number = $2",
            tenant,
            owed.number,
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "update auth.outbox_leases set until = now() + make_interval(secs => $3), failures = 0
             where tenant_id = $1 and holder = $2",
            tenant,
            self.replica(),
            LEASE_SECONDS,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    async fn park(&self, tenant: Uuid, owed: &Owed, reason: &str) -> sqlx::Result<()> {
        sqlx::query!(
            "update auth.outbox set parked_at = now(), parked_reason = $3
             where tenant_id = $1 and number = $2",
            tenant,
            owed.number,
            reason,
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }
}

/// Only an answer that would be the same tomorrow parks an entry; a refused credential is repaired by configuration, so it waits.
async fn read_answer(response: reqwest::Response) -> Answer {
    let status = response.status();
    if status.is_success() {
        return Answer::Taken;
    }
    let pause = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let for_good = [
        StatusCode::BAD_REQUEST,
        StatusCode::CONFLICT,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNPROCESSABLE_ENTITY,
    ];
    if for_good.contains(&status) {
        let code = problem_code(response).await.unwrap_or_default();
        return Answer::Refused(format!("{} {code}", status.as_u16()));
    }
    tracing::warn!(
        status = status.as_u16(),
        "log-service does not take entries"
    );
    Answer::NotNow(pause)
}

/// The stable code of a problem document; its other text may repeat what was posted.
async fn problem_code(response: reqwest::Response) -> Option<String> {
    let document: serde_json::Value = response.json().await.ok()?;
    let code = document.get("code")?.as_str()?;
    Some(
        code.chars()
            .filter(char::is_ascii_graphic)
            .take(64)
            .collect(),
    )
}

/// Delivers whenever something was written here, and each second for what other replicas wrote and for what is due again.
pub(crate) async fn follow(state: &State, shutdown: &Shutdown) {
    while !shutdown.begun() {
        if let Err(error) = state.deliver_outbox().await {
            tracing::warn!(error = format!("{error:#}"), "the outbox has to wait");
        }
        tokio::select! {
            () = shutdown.wait() => {}
            () = state.written() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}
