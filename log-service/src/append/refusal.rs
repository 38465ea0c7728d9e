//! What a poster is told when the ledger did not acknowledge. It never says more of another entry
//! than the poster may know.

use std::time::Duration;

use ledger::{Tenant, append};
use service::{ApiError, Caller, Place};
use uuid::Uuid;

use super::Shape;
use crate::State;

pub(super) async fn answer(
    state: &State,
    caller: &Caller,
    tenant: &Tenant,
    shape: Shape,
    error: append::Error,
) -> ApiError {
    use append::Error as Refused;
    match error {
        Refused::UnknownPartition => ApiError::Invalid(vec![Place::new(
            shape.pointer(0, "/partition"),
            "does not exist; partitions are created at /api/v1/partitions",
        )]),
        Refused::Conflict { index, id } => {
            conflict(state, caller, tenant, &shape.pointer(index, "/id"), id).await
        }
        // Asked again for its reason. In order again meanwhile: trying again is right.
        Refused::NotAdmitted => match state.access().admit_write(caller) {
            Err(refused) => refused,
            Ok(()) => unavailable("not_admitted", 1, error),
        },
        // A person has to decide; asking every second would only add load.
        Refused::RollbackDetected => unavailable("rollback_detected", 60, error),
        Refused::ClockSkew => unavailable("clock_skew", 5, error),
        Refused::Overloaded => unavailable("overloaded", 1, error),
        Refused::Unavailable(_) => unavailable("database_unavailable", 1, error),
        Refused::Unknown(_) => unavailable("outcome_unknown", 1, error),
        Refused::Refused(_) => ApiError::Internal(error.into()),
    }
}

fn unavailable(code: &'static str, seconds: u64, error: append::Error) -> ApiError {
    ApiError::Unavailable {
        code,
        retry_after: Duration::from_secs(seconds),
        source: Some(error.into()),
    }
}

/// 409 with where the id was first used, for callers who may append there themselves.
async fn conflict(
    state: &State,
    caller: &Caller,
    tenant: &Tenant,
    place: &str,
    id: Uuid,
) -> ApiError {
    let code = "id_conflict";
    let first = state.ledger().by_id(tenant, id).await.ok().flatten();
    let detail = match first {
        Some(first) if caller.may_append_to(&first.partition) => format!(
            "{place}: the id {id} belongs to another entry: partition {}, seq {}",
            first.partition, first.seq
        ),
        // Taken within the same request, or somewhere that is not this caller's business.
        _ => format!("{place}: the id {id} belongs to another entry"),
    };
    ApiError::Conflict { code, detail }
}
