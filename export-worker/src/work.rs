//! One attempt at one job: pages from the ledger, verified and written, into an object that nobody
//! sees before it is whole; then the row that says so.
//!
//! Whatever happens to this process in between, the row still says `running` until its lease has run
//! out, and the next attempt begins anew under another key.

use std::time::Duration;

use export::jobs::{self, Ending, Failure, Job, Kept, MOST_REFUSED};
use export::{Error, PAGE, Pass, Progress, Summary};
use service::Shutdown;
use service::status::TenantStatus;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

use crate::State;

/// Before a job is tried again whose store was not there.
const PAUSE: Duration = Duration::from_secs(15);
/// Before a job is tried again whose object the store refused: with [`MOST_REFUSED`] it is the time in
/// which rights and settings can be put right.
const REFUSED_PAUSE: Duration = Duration::from_mins(1);
/// Between two tries to read a page. The lease bounds them: it is kept through the same database.
const RETRY: Duration = Duration::from_secs(1);
/// Oldest status feed on which anything is read.
const STALE_AFTER: Duration = Duration::from_secs(5);

/// Why an attempt ends without a file.
enum Stop {
    /// Overtaken or cancelled: nothing more to say about the job.
    Lost,
    Failed(Failure),
    Later(Duration),
    Refused(Duration),
}

/// A file that is in the store.
struct Made {
    summary: Summary,
    hashes: Vec<Option<export::Hash>>,
}

pub(crate) async fn run(state: &State, job: &Job, shutdown: &Shutdown) {
    let started = Instant::now();
    tracing::info!(export = %job.id, attempt = job.attempt, entries = job.total, "an export begins");
    let (tell, told) = watch::channel(Progress::default());
    // Whichever comes first; an upload that is dropped is given up.
    let made = tokio::select! {
        made = make(state, job, &tell) => made,
        stop = heart(state, job, told) => Err(stop),
        () = shutdown.wait() => Err(Stop::Later(Duration::ZERO)),
    };
    let outcome = match made {
        Ok(made) => {
            let (rows, bytes) = (made.summary.rows, made.summary.bytes);
            // A crash before this row leaves an object that no job has: the next attempt writes its
            // own, and cleaning finds this one.
            let ending = Ending::Finished {
                summary: made.summary,
                hashes: made.hashes,
                lifetime: state.settings().lifetime,
            };
            let outcome = end(state, job, &ending, "finished").await;
            metrics::counter!("export_bytes_total").increment(bytes);
            metrics::histogram!("export_duration_seconds").record(started.elapsed());
            tracing::info!(export = %job.id, rows, bytes, outcome, "an export was written");
            outcome
        }
        Err(Stop::Failed(failure)) => {
            tracing::warn!(export = %job.id, code = failure.code, damage = ?failure.damage, "an export failed");
            end(state, job, &Ending::Failed(failure), "failed").await
        }
        Err(Stop::Later(pause)) => end(state, job, &Ending::Later(pause), "later").await,
        Err(Stop::Refused(pause)) => end(state, job, &Ending::Refused(pause), "refused").await,
        Err(Stop::Lost) => "lost",
    };
    if outcome == "lost" {
        tracing::info!(export = %job.id, attempt = job.attempt, "the export is no longer this attempt's");
        forget_object(state, job).await;
    }
    metrics::counter!("exports_ended_total", "outcome" => outcome).increment(1);
}

/// Tries for as long as the lease may last; what this was if the row now says otherwise.
async fn end(state: &State, job: &Job, ending: &Ending, outcome: &'static str) -> &'static str {
    let deadline = Instant::now() + state.settings().lease;
    loop {
        match state.jobs().end(job.claim(), ending).await {
            Ok(()) => return outcome,
            Err(jobs::Error::Lost) => return "lost",
            Err(error) if Instant::now() < deadline && is_passing(&error) => {
                tracing::warn!(export = %job.id, %error, "how an export ended is not written yet");
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => {
                tracing::error!(export = %job.id, %error, "how an export ended was not written");
                return "unknown";
            }
        }
    }
}

fn is_passing(error: &jobs::Error) -> bool {
    matches!(error, jobs::Error::Unavailable(_))
}

/// Removes what this attempt may have left, unless the row has it: an answer that was lost on its
/// way looks like a lost lease.
async fn forget_object(state: &State, job: &Job) {
    let object = Kept {
        tenant: job.tenant.id,
        id: job.id,
        attempt: job.attempt,
    };
    let removed = match state.jobs().keeps(object).await {
        Ok(true) => return,
        Ok(false) => state
            .store()
            .delete(&job.key())
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = removed {
        tracing::info!(export = %job.id, error, "cleaning will find what this attempt left");
    }
}

/// Signs of life until somebody must stop.
async fn heart(state: &State, job: &Job, told: watch::Receiver<Progress>) -> Stop {
    let settings = state.settings();
    let mut beats = interval(settings.beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        beats.tick().await;
        let asked = Instant::now();
        let progress = *told.borrow();
        match state
            .jobs()
            .beat(job.claim(), progress, settings.lease)
            .await
        {
            Ok(()) => heard = asked,
            Err(jobs::Error::Lost) => return Stop::Lost,
            Err(error) if heard.elapsed() < settings.lease => {
                tracing::debug!(export = %job.id, %error, "a sign of life was lost");
            }
            // Another worker may have it by now.
            Err(_) => return Stop::Lost,
        }
    }
}

async fn make(state: &State, job: &Job, tell: &watch::Sender<Progress>) -> Result<Made, Stop> {
    let ledger = state.ledger().clone();
    let tenant = job.tenant.clone();
    let mut pass = Pass::new(ledger, tenant, &job.request, &job.stretches, PAGE);
    let upload = state.store().write(&job.key()).await;
    let mut upload = upload.map_err(|error| unstored(job, &error))?;
    loop {
        admitted(state, job.tenant.id).await?;
        let Some(bytes) = page(job, &mut pass).await? else {
            break;
        };
        let before = tell.send_replace(pass.progress());
        let scanned = pass.progress().scanned - before.scanned;
        metrics::counter!("export_rows_total").increment(scanned);
        if !bytes.is_empty() {
            let written = upload.write(bytes).await;
            written.map_err(|error| unstored(job, &error))?;
        }
    }
    let finished = upload.finish().await;
    finished.map_err(|error| unstored(job, &error))?;
    let hashes = pass.ends().iter().map(|(_, hash)| *hash).collect();
    let summary = pass.summary().cloned();
    let summary = summary.ok_or_else(|| internal(job, "a pass without an end"))?;
    Ok(Made { summary, hashes })
}

async fn page(job: &Job, pass: &mut Pass) -> Result<Option<export::Bytes>, Stop> {
    let failed = |code: &str, damage| {
        let code = code.to_owned();
        Stop::Failed(Failure { code, damage })
    };
    loop {
        match pass.next().await {
            Ok(bytes) => return Ok(bytes),
            Err(Error::Ledger(ledger::Error::Unavailable(error))) => {
                tracing::debug!(export = %job.id, %error, "a page is read again");
                tokio::time::sleep(RETRY).await;
            }
            Err(Error::Damaged(damage)) => return Err(failed("damaged_entry", Some(damage))),
            Err(Error::UnknownVersion { .. }) => return Err(failed("unknown_version", None)),
            Err(error @ (Error::Ledger(_) | Error::Write(_))) => {
                return Err(internal(job, error));
            }
        }
    }
}

/// Waits while it is not known which tenants are in order; the lease is kept meanwhile.
async fn admitted(state: &State, tenant: Uuid) -> Result<(), Stop> {
    loop {
        let (set, age) = state.feed().read();
        if set.tenants.get(&tenant) == Some(&TenantStatus::Suspended) {
            let code = "tenant_suspended".to_owned();
            return Err(Stop::Failed(Failure { code, damage: None }));
        }
        if age.is_some_and(|age| age <= STALE_AFTER) {
            return Ok(());
        }
        state.feed().next().await;
    }
}

fn unstored(job: &Job, error: &store::Error) -> Stop {
    tracing::warn!(export = %job.id, error = format!("{error:#}"), "an export cannot be stored now");
    let code = match error {
        store::Error::Unavailable(_) => return Stop::Later(PAUSE),
        store::Error::TooLarge => "too_large",
        // Trying again changes nothing, but somebody may.
        _ if job.refused + 1 < MOST_REFUSED => return Stop::Refused(REFUSED_PAUSE),
        _ => "store_refused",
    };
    let code = code.to_owned();
    Stop::Failed(Failure { code, damage: None })
}

fn internal(job: &Job, error: impl std::fmt::Display) -> Stop {
    tracing::error!(export = %job.id, %error, "an export cannot be made");
    let code = "internal".to_owned();
    Stop::Failed(Failure { code, damage: None })
}
