//! What the routes of partitions take in their queries.

use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

/// Of a chain in evidence form.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Stretch {
    /// First sequence number; 0 when left out.
    pub(super) from: Option<u64>,
    /// Sequence number to stop before; the chain's size at the start when left out.
    pub(super) to: Option<u64>,
    /// With the stored columns that the document does not hold, and with rows that are stored
    /// outside the chain; the last line is the chain's head.
    #[serde(default)]
    pub(super) columns: bool,
}

/// Of a verification by the service.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Step {
    /// Sequence number to begin with: 0, or `next` of the answer before.
    pub(super) from: Option<u64>,
}

/// Of the way through the id table.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct IdStep {
    /// `next` of the answer before.
    pub(super) after: Option<Uuid>,
}
