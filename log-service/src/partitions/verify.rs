//! `GET /api/v1/partitions/{p}/verify`: the service recomputes a chain in bounded steps. Whoever
//! does not trust the service takes the evidence and verifies it himself.

use std::time::Duration;

use axum::extract;
use chain::verify::Verifier;
use chain::{Chain, Timestamp};
use ledger::read::{AuditHead, AuditRow};
use ledger::{Audit, AuditPage, IdRow, Limit, Tenant};
use serde::Serialize;
use serde_json::json;
use service::error::Problem;
use service::extract::{Json, Path, Query};
use service::{ApiError, Caller, Permission};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::asked::Step;
use super::evidence::known;
use crate::State;
use crate::access_record;
use crate::schema::Refusals;
use crate::state::{tenant, unanswered};

/// One answer covers what fits into the first of these.
const MAX_ROWS: usize = 50_000;
const MAX_TIME: Duration = Duration::from_secs(2);
/// Of one statement; recomputing its hashes takes a few milliseconds at most.
const PAGE: Limit = Limit {
    rows: 256,
    bytes: 512 << 10,
};

/// What a step found.
#[derive(Serialize, ToSchema)]
#[schema(as = VerificationReport)]
pub(crate) struct Report {
    partition: String,
    generation: u32,
    /// First sequence number of this step.
    from: u64,
    /// The entries from `from` up to, not including, this one are what was recorded.
    to: u64,
    /// Of the chain's head: number of entries.
    size: u64,
    /// Of the entry before `to`: what the next step has to link to. Null when this step saw none.
    hash: Option<String>,
    /// Where the next step begins; null when the chain's head was reached or something was found.
    next: Option<u64>,
    /// The first thing that is wrong; null when nothing is.
    finding: Option<Finding>,
}

/// The first place that is not what was recorded.
#[derive(Serialize, ToSchema)]
#[schema(as = VerificationFinding)]
pub(crate) struct Finding {
    seq: i64,
    /// The column or member that is wrong.
    place: String,
    message: String,
}

impl Finding {
    fn new(seq: u64, place: &str, message: impl Into<String>) -> Self {
        Self {
            seq: i64::try_from(seq).unwrap_or(i64::MAX),
            place: place.to_owned(),
            message: message.into(),
        }
    }
}

/// Let the service verify a partition
///
/// In steps: ask again with `next` until it is null. Recomputes document, digests, chain, derived
/// columns, and compares with the head.
#[utoipa::path(
    get, path = "/api/v1/partitions/{p}/verify", operation_id = "verify_partition", tag = "evidence",
    params(("p" = String, Path, description = "Name of the partition"), Step),
    responses(
        (status = 200, description = "What this step found", body = Report),
        (status = 404, description = "No such partition in this tenant", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub(crate) async fn verify(
    extract::State(state): extract::State<State>,
    caller: Caller,
    Path(partition): Path<String>,
    Query(asked): Query<Step>,
) -> Result<Json<Report>, ApiError> {
    caller.require(Permission::Audit)?;
    let tenant = tenant(&caller)?;
    let chain = known(&state, &tenant, &partition).await?;
    let from = asked.from.unwrap_or(0);
    if from > chain.as_ref().map_or(0, |chain| chain.to) {
        return Err(ApiError::invalid("query.from", "beyond the chain's head"));
    }
    let metadata = json!({"from": from});
    access_record::before_answer(&state, &caller, "trail.verify", &partition, metadata).await?;
    let generation = chain.map_or(1, |chain| chain.generation);
    let walk = Walk::new(&state, &tenant, &partition, generation, from);
    walk.run(&state, &caller).await.map(Json)
}

/// The audit position right before an entry; absent before the first row, whatever its seq.
pub(super) fn before(generation: u32, from: u64) -> Option<Audit> {
    let seq = i64::try_from(from.checked_sub(1)?).ok()?;
    Some(Audit {
        generation: i32::try_from(generation).ok()?,
        seq,
        received_at: Timestamp::from_micros(253_402_300_799_999_999)?,
    })
}

/// A step on its way through the rows.
struct Walk<'a> {
    tenant: &'a Tenant,
    chain: Chain,
    from: u64,
    after: Option<Audit>,
    verifier: Verifier,
    size: u64,
    rows: usize,
}

impl<'a> Walk<'a> {
    fn new(state: &State, tenant: &'a Tenant, partition: &str, generation: u32, from: u64) -> Self {
        let chain = Chain {
            origin: state.origin().to_owned(),
            tenant: tenant.code.clone(),
            partition: partition.to_owned(),
            generation,
        };
        let verifier = match from {
            0 => Verifier::new(chain.clone()),
            _ => Verifier::starting_at(chain.clone(), from),
        };
        Self {
            tenant,
            after: before(generation, from),
            chain,
            from,
            verifier,
            size: 0,
            rows: 0,
        }
    }

    async fn run(mut self, state: &State, caller: &Caller) -> Result<Report, ApiError> {
        let started = Instant::now();
        loop {
            state.access().admit_read(caller)?;
            let page = state.ledger().audit(
                self.tenant,
                &self.chain.partition,
                self.after.as_ref(),
                PAGE,
            );
            let page = match page.await {
                Ok(page) => page,
                Err(ledger::Error::Damaged { seq, what, .. }) => {
                    let place = "row".to_owned();
                    let message = what.to_owned();
                    return Ok(self.report(
                        Some(Finding {
                            seq,
                            place,
                            message,
                        }),
                        false,
                    ));
                }
                Err(error) => return Err(unanswered(error)),
            };
            self.size = page.head.as_ref().map_or(0, |head| head.size);
            if let Err(finding) = self.page(&page) {
                return Ok(self.report(Some(finding), false));
            }
            let Some(next) = page.next else {
                let finding = self.end(page.head.as_ref()).err();
                return Ok(self.report(finding, false));
            };
            self.after = Some(next);
            if self.rows >= MAX_ROWS || started.elapsed() >= MAX_TIME {
                return Ok(self.report(None, true));
            }
        }
    }

    fn page(&mut self, page: &AuditPage) -> Result<(), Finding> {
        for row in &page.rows {
            let seq = row.stored.seq;
            let Some(head) = &page.head else {
                return Err(Finding::new(
                    seq,
                    "partition",
                    "the chain of this entry is gone",
                ));
            };
            if row.stored.generation != self.chain.generation {
                return Err(Finding::new(
                    seq,
                    "generation",
                    "not the chain's generation",
                ));
            }
            self.verifier.row(&row.stored).map_err(wrong)?;
            indexed(row)?;
            if seq >= head.size {
                return Err(Finding::new(
                    seq,
                    "seq",
                    format!("the chain's head says {} entries", head.size),
                ));
            }
            self.rows += 1;
        }
        Ok(())
    }

    /// The rows end: so must the chain.
    fn end(&self, head: Option<&AuditHead>) -> Result<(), Finding> {
        let Some(head) = head else { return Ok(()) };
        let size = self.reached();
        let found = |place, message: String| Err(Finding::new(size, place, message));
        if size != head.size {
            return found(
                "size",
                format!("the chain's head says {} entries", head.size),
            );
        }
        // A step that begins at the head has seen no entry to compare with.
        let Some(reached) = self.verifier.head() else {
            return Ok(());
        };
        if reached.hash != head.hash {
            return found(
                "hash",
                "the chain's head has another hash than its last entry".to_owned(),
            );
        }
        if head.received_at != (head.size > 0).then_some(reached.received_at) {
            return found(
                "received_at",
                "the chain's head has another time than its last entry".to_owned(),
            );
        }
        Ok(())
    }

    fn report(self, finding: Option<Finding>, more: bool) -> Report {
        let to = self.reached();
        Report {
            from: self.from,
            to,
            size: self.size,
            hash: self.verifier.head().map(|head| head.hash.to_string()),
            next: more.then_some(to),
            finding,
            partition: self.chain.partition,
            generation: self.chain.generation,
        }
    }

    /// The sequence number up to which everything is verified.
    fn reached(&self) -> u64 {
        self.verifier.head().map_or(self.from, |head| head.size)
    }
}

fn wrong(error: chain::verify::Error) -> Finding {
    match error {
        chain::verify::Error::Wrong {
            seq,
            place,
            message,
        } => Finding::new(seq, &place, message),
        chain::verify::Error::UnknownVersion { seq, version } => Finding::new(
            seq,
            "version",
            format!("cannot verify: unknown format version {version}"),
        ),
    }
}

/// The id table must point back at the row.
fn indexed(row: &AuditRow) -> Result<(), Finding> {
    let stored = &row.stored;
    let expected = IdRow {
        id: stored.id,
        partition: stored.partition.clone(),
        generation: stored.generation,
        seq: stored.seq,
        received_at: stored.received_at,
    };
    match &row.indexed {
        Some(found) if *found == expected => Ok(()),
        Some(_) => Err(Finding::new(
            stored.seq,
            "entry_ids",
            "the id table has another place for this id",
        )),
        None => Err(Finding::new(
            stored.seq,
            "entry_ids",
            "the id table does not know this id",
        )),
    }
}
