//! Counts of entries, as the API describes them. It never makes one.

use utoipa::{IntoParams, ToSchema};

/// How entries are counted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Counting {
    /// How many values of each count, the most frequent first; 10 when absent
    #[param(minimum = 1, maximum = 100)]
    top: Option<u16>,
    /// `minute`, `hour`, `day`, `week` (from Monday) or `month`: counts by time of receipt, at most 1,000
    interval: Option<String>,
    /// Whose days these are, as in `Europe/Berlin`; UTC when absent
    time_zone: Option<String>,
}

/// Counts of entries.
#[derive(ToSchema)]
pub(crate) struct Stats {
    /// Entries that meet the conditions
    total: u64,
    /// Whether everything of the time asked for was counted. If not, `counted` says what was: the index
    /// is a moment behind, or is not there, and the newest entries alone were counted
    complete: bool,
    counted: Vec<Counted>,
    actions: Counts,
    actors: ActorCounts,
    /// An entry without one counts as `info`
    severities: Counts,
    /// Entries without one are in none
    outcomes: Counts,
    /// An entry counts once for each type that its targets have
    target_types: Counts,
    /// Without gaps, when `interval` was given
    #[schema(required = false)]
    histogram: Vec<Bucket>,
}

/// Entries of one partition that were looked at: `from <= seq < to`.
#[derive(ToSchema)]
pub(crate) struct Counted {
    partition: String,
    generation: u32,
    from: u64,
    to: u64,
}

/// The most frequent values.
#[derive(ToSchema)]
pub(crate) struct Counts {
    top: Vec<Count>,
    /// The sum over all other values
    others: u64,
}

#[derive(ToSchema)]
pub(crate) struct Count {
    value: String,
    count: u64,
}

/// The most frequent actors.
#[derive(ToSchema)]
pub(crate) struct ActorCounts {
    top: Vec<ActorCount>,
    /// The sum over all other actors
    others: u64,
}

#[derive(ToSchema)]
pub(crate) struct ActorCount {
    r#type: String,
    id: String,
    count: u64,
}

/// Entries received from `from` to before `to`.
#[derive(ToSchema)]
pub(crate) struct Bucket {
    from: String,
    to: String,
    count: u64,
}
