//! What export-worker does with jobs: takes one, says how far it is, ends it. Everything after the
//! claim is fenced by the attempt: whoever was overtaken, or works on a cancelled job, changes
//! nothing and is told so.

use std::time::Duration;

use chain::Hash;
use uuid::Uuid;

use super::row::Row;
use super::{Error, Failure, Job, Jobs, MOST_LOST};
use crate::{Progress, Summary};

/// Any number that nothing else in the database locks: "claim" in ASCII.
const CLAIM_LOCK: i64 = 0x0063_6c61_696d;

/// Which attempt at which job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub tenant: Uuid,
    pub id: Uuid,
    pub attempt: u32,
}

/// What a worker has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Any,
    /// One job, the last: of a tenant that has none at work anywhere.
    Last,
}

/// How an attempt ends.
#[derive(Clone, Debug)]
pub enum Ending {
    /// The object is in the store, and stays for `lifetime`.
    Finished {
        summary: Summary,
        hashes: Vec<Option<Hash>>,
        lifetime: Duration,
    },
    Failed(Failure),
    /// Something else was not there: somebody takes it again after a pause.
    Later(Duration),
    /// The same, and counted: the store refused the object.
    Refused(Duration),
}

impl Job {
    pub fn claim(&self) -> Claim {
        Claim {
            tenant: self.tenant.id,
            id: self.id,
            attempt: self.attempt,
        }
    }
}

impl Jobs {
    /// Takes the job that has waited longest among those of the tenants with the fewest at work, for
    /// `lease`. A job whose worker was not heard of within its lease is taken again; one that lost
    /// [`MOST_LOST`] workers fails as `abandoned` instead.
    ///
    /// Whoever asks with [`Room::Last`] for the last of several places never has them all at work for
    /// one tenant.
    pub async fn claim(&self, lease: Duration, room: Room) -> Result<Option<Job>, Error> {
        self.abandon().await?;
        let mut transaction = self.pool.begin().await?;
        // One at a time, so that each counts what the ones before it took.
        sqlx::query!("select pg_advisory_xact_lock($1)", CLAIM_LOCK)
            .execute(&mut *transaction)
            .await?;
        let row = sqlx::query_as!(
            Row,
            "update export.jobs j
                set state = 'running', attempt = j.attempt + 1,
                    lost = j.lost + case j.state when 'running' then 1 else 0 end,
                    leased_until = clock_timestamp() + make_interval(secs => $1),
                    started_at = clock_timestamp(), rows_done = 0, rows_scanned = 0
              where (j.tenant, j.id) = (
                select w.tenant, w.id from export.jobs w
                 cross join lateral (
                   select count(*) as jobs from export.jobs o
                    where o.tenant = w.tenant and o.state = 'running' and o.leased_until > clock_timestamp()) at_work
                 where ((w.state = 'queued' and w.due_at <= clock_timestamp())
                        or (w.state = 'running' and w.leased_until <= clock_timestamp()))
                   and ($2 or at_work.jobs = 0)
                 order by at_work.jobs, w.due_at, w.id
                 limit 1
                 for update of w skip locked)
             returning tenant, id, tenant_code, created_at, created_by, request, stretches, total, state, attempt,
                       unrecorded, refused, rows_done, rows_scanned, started_at, ended_at, expires_at, bytes, sha256, hashes, failure",
            lease.as_secs_f64(),
            room == Room::Any
        )
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        row.map(Job::try_from).transpose()
    }

    async fn abandon(&self) -> Result<(), Error> {
        let failure = Failure {
            code: "abandoned".to_owned(),
            damage: None,
        };
        sqlx::query!(
            "update export.jobs
                set state = 'failed', leased_until = null, ended_at = clock_timestamp(), failure = $2
              where state = 'running' and leased_until <= clock_timestamp() and lost >= $1",
            MOST_LOST - 1,
            json(&failure)?
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Still at work, and how far; [`Error::Lost`] when it is no longer this attempt's.
    pub async fn beat(
        &self,
        claim: Claim,
        progress: Progress,
        lease: Duration,
    ) -> Result<(), Error> {
        let held = sqlx::query!(
            "update export.jobs
                set leased_until = clock_timestamp() + make_interval(secs => $4), rows_done = $5, rows_scanned = $6
              where tenant = $1 and id = $2 and attempt = $3 and state = 'running'",
            claim.tenant,
            claim.id,
            claim.attempt.cast_signed(),
            lease.as_secs_f64(),
            count(progress.rows),
            count(progress.scanned)
        )
        .execute(&self.pool)
        .await?;
        held_by_us(&held)
    }

    /// Ends the attempt; [`Error::Lost`] when it is no longer this one's to end. After
    /// [`Error::Unavailable`] it may have been done.
    pub async fn end(&self, claim: Claim, ending: &Ending) -> Result<(), Error> {
        let (tenant, id, attempt) = (claim.tenant, claim.id, claim.attempt.cast_signed());
        let done = match ending {
            Ending::Finished {
                summary,
                hashes,
                lifetime,
            } => {
                let hashes: Vec<_> = hashes
                    .iter()
                    .map(|hash| hash.map(|hash| hash.to_string()))
                    .collect();
                sqlx::query!(
                    "update export.jobs
                        set state = 'finished', leased_until = null, ended_at = statement_timestamp(),
                            expires_at = statement_timestamp() + make_interval(secs => $4),
                            rows_done = $5, rows_scanned = total, bytes = $6, sha256 = $7, hashes = $8
                      where tenant = $1 and id = $2 and attempt = $3 and state = 'running'",
                    tenant,
                    id,
                    attempt,
                    lifetime.as_secs_f64(),
                    count(summary.rows),
                    count(summary.bytes),
                    &summary.sha256[..],
                    json(&hashes)?
                )
                .execute(&self.pool)
                .await?
            }
            Ending::Failed(failure) => {
                sqlx::query!(
                    "update export.jobs
                        set state = 'failed', leased_until = null, ended_at = clock_timestamp(), failure = $4
                      where tenant = $1 and id = $2 and attempt = $3 and state = 'running'",
                    tenant,
                    id,
                    attempt,
                    json(failure)?
                )
                .execute(&self.pool)
                .await?
            }
            Ending::Later(pause) | Ending::Refused(pause) => {
                let refused = i32::from(matches!(ending, Ending::Refused(_)));
                sqlx::query!(
                    "update export.jobs
                        set state = 'queued', leased_until = null, refused = refused + $5,
                            due_at = clock_timestamp() + make_interval(secs => $4)
                      where tenant = $1 and id = $2 and attempt = $3 and state = 'running'",
                    tenant,
                    id,
                    attempt,
                    pause.as_secs_f64(),
                    refused
                )
                .execute(&self.pool)
                .await?
            }
        };
        held_by_us(&done)
    }
}

fn held_by_us(done: &sqlx::postgres::PgQueryResult) -> Result<(), Error> {
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(Error::Lost)
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn json(value: &impl serde::Serialize) -> Result<serde_json::Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Database(sqlx::Error::Encode(error.into())))
}
