//! Partitions: the chains of a tenant, listed, created, given out as evidence and verified.

mod asked;
pub(crate) mod evidence;
pub(crate) mod unclaimed;
pub(crate) mod verify;

use axum::extract;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use ledger::{Partition, Tenant, Times, Window};
use serde::{Deserialize, Serialize};
use serde_json::json;
use service::error::Problem;
use service::extract::Json;
use service::{ApiError, Caller, Kind, Permission};
use utoipa::ToSchema;

use crate::State;
use crate::access_record::{self, SYSTEM};
use crate::schema::Refusals;
use crate::state::{tenant, unanswered};

/// The chains of the caller's tenant.
#[derive(Serialize, ToSchema)]
#[schema(as = PartitionList)]
pub(crate) struct Listing {
    /// Name of the installation and code of the tenant: every chain's first hash contains both.
    origin: String,
    tenant: String,
    partitions: Vec<Chain>,
    /// Names that entries or ids carry without there being such a chain: somebody wrote to the
    /// database. Only for those who may verify.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unchained: Vec<String>,
}

/// One chain and its head.
#[derive(Serialize, ToSchema)]
#[schema(as = PartitionHead)]
pub(crate) struct Chain {
    partition: String,
    /// From 1; more only after a restore that lost entries.
    generation: u32,
    /// Number of entries; the last one's `seq` is one less.
    size: u64,
    /// Of the last entry; the genesis hash while there is none.
    hash: String,
    /// Of the last entry.
    received_at: Option<String>,
}

impl From<Partition> for Chain {
    fn from(chain: Partition) -> Self {
        Self {
            partition: chain.partition,
            generation: chain.generation,
            size: chain.size,
            hash: chain.hash.to_string(),
            received_at: chain.received_at.map(|moment| moment.to_string()),
        }
    }
}

/// List partitions with their heads
#[utoipa::path(
    get, path = "/api/v1/partitions", operation_id = "list_partitions", tag = "partitions",
    responses((status = 200, description = "By name; `system` only for those who may read it", body = Listing), Refusals),
)]
pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    caller: Caller,
) -> Result<Json<Listing>, ApiError> {
    caller.require(Permission::Read)?;
    let tenant = tenant(&caller)?;
    let mut chains = state
        .ledger()
        .partitions(&tenant)
        .await
        .map_err(unanswered)?;
    chains.retain(|chain| chain.partition != SYSTEM || caller.may(Permission::ReadSystem));
    let unchained = if caller.may(Permission::Audit) {
        state
            .ledger()
            .unchained(&tenant)
            .await
            .map_err(unanswered)?
    } else {
        Vec::new()
    };
    Ok(Json(Listing {
        origin: state.origin().to_owned(),
        tenant: tenant.code,
        partitions: chains.into_iter().map(Chain::from).collect(),
        unchained,
    }))
}

/// A partition to be.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPartition {
    /// `[a-z0-9][a-z0-9_-]{0,62}`
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,62}$")]
    partition: String,
}

/// Create a partition
///
/// Recorded in `system` first. Admins, and service accounts with the scope `partitions:create`.
#[utoipa::path(
    post, path = "/api/v1/partitions", operation_id = "create_partition", tag = "partitions",
    request_body(content = NewPartition, example = json!({"partition": "invoices"})),
    responses(
        (status = 201, description = "Created", body = NewPartition),
        (status = 200, description = "Had been there", body = NewPartition),
        (status = 400, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub(crate) async fn create(
    extract::State(state): extract::State<State>,
    caller: Caller,
    Json(new): Json<NewPartition>,
) -> Result<Response, ApiError> {
    caller.require(Permission::ManagePartitions)?;
    let tenant = tenant(&caller)?;
    let name = new.partition.as_str();
    if !query::is_partition_name(name) {
        return Err(ApiError::invalid("/partition", "not a partition name"));
    }
    if caller.principal.kind == Kind::Service && !caller.may_append_to(name) {
        let message = "not a partition that this caller may append to";
        return Err(ApiError::invalid("/partition", message));
    }
    if exists(&state, &tenant, name).await? {
        return Ok((StatusCode::OK, Json(new)).into_response());
    }
    // Recorded first: a crash here leaves a record of an intent, never a chain without one.
    access_record::before_answer(&state, &caller, "partition.create", name, json!({})).await?;
    let created = state.ledger().create_partition(&tenant, name).await;
    let status = if created.map_err(unanswered)? {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(new)).into_response())
}

async fn exists(state: &State, tenant: &Tenant, name: &str) -> Result<bool, ApiError> {
    Ok(matches!(name, "default" | SYSTEM) || chain(state, tenant, name).await?.is_some())
}

/// The whole of a chain as its head has it. Entries are not looked at, so that no damage to them
/// stands in the way.
async fn chain(state: &State, tenant: &Tenant, name: &str) -> Result<Option<Window>, ApiError> {
    let named = [name.to_owned()];
    let found = state.ledger().windows(tenant, &named, Times::default());
    Ok(found.await.map_err(unanswered)?.pop())
}
