//! What may be asked for: format, filter and partitions, from a body or a query, against what the
//! caller may read. It never looks into the ledger but for the sizes of chains.

use std::collections::BTreeMap;

use export::{Format, Request, Stretch};
use query::{Fault, Filter, MAX_CONDITIONS, is_partition_name};
use serde::Deserialize;
use service::{ApiError, Caller, Permission, Place};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::shape::ExportFormat;
use crate::State;
use crate::access_record::SYSTEM;
use crate::state::{tenant, unanswered};

/// More partitions are asked for by leaving them out.
const MOST_PARTITIONS: usize = 64;

/// An export to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewExport {
    /// Makes the request safe to repeat; made by the server when absent
    pub(super) id: Option<Uuid>,
    /// `csv` when absent
    #[serde(default)]
    #[schema(value_type = Option<ExportFormat>)]
    format: Format,
    /// Compress the file
    #[serde(default)]
    gzip: bool,
    /// Only these; all that the caller may read when absent
    #[serde(default)]
    #[schema(max_items = 64)]
    partitions: Vec<String>,
    /// Conditions as those of a list, by name: `{"action": "invoice.*", "from": "2026-01-01T00:00:00Z"}`
    #[serde(default)]
    filter: BTreeMap<String, String>,
}

/// How a direct export is written.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes; conditions have names of their own among them"
)]
pub(crate) struct Choice {
    /// `csv`, `jsonl` or `evidence`; `csv` when absent
    #[param(value_type = Option<ExportFormat>)]
    format: Option<Format>,
    /// `true` for a compressed file
    gzip: Option<bool>,
    /// Names with commas between them, instead of one `partition`
    partitions: Option<String>,
}

/// Where a fault is said to be: `query.NAME`, or a pointer into the body.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Source {
    Query,
    Body,
}

impl Source {
    fn place(self, member: &str) -> String {
        match self {
            Self::Query => format!("query.{member}"),
            Self::Body => format!("/{member}"),
        }
    }

    /// A fault names its parameter as a query does.
    fn fault(self, fault: Fault) -> Place {
        let path = match (self, fault.path.strip_prefix("query.")) {
            (Self::Body, Some(name)) => {
                format!("/filter/{}", name.replace('~', "~0").replace('/', "~1"))
            }
            _ => fault.path,
        };
        Place::new(path, fault.message)
    }
}

impl NewExport {
    pub(super) fn request(self, caller: &Caller) -> Result<Request, ApiError> {
        let Self {
            format,
            gzip,
            partitions,
            filter,
            ..
        } = self;
        // Each wrong condition of a URL is named; a body could hold thousands.
        if filter.len() > MAX_CONDITIONS {
            return Err(ApiError::invalid(
                Source::Body.place("filter"),
                "more than 64 conditions",
            ));
        }
        let terms: Vec<_> = filter.into_iter().collect();
        request(caller, Source::Body, format, gzip, partitions, &terms)
    }
}

/// From the query of a direct export: everything that is not about the file is the filter's.
pub(super) fn of_query(caller: &Caller, query: &str) -> Result<Request, ApiError> {
    let pairs = query::pairs(query);
    let pairs = pairs.map_err(|fault| ApiError::Invalid(vec![Source::Query.fault(fault)]))?;
    let (mut format, mut gzip, mut partitions) = (Format::default(), false, Vec::new());
    let mut terms: Vec<(String, String)> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for (name, value) in pairs {
        let invalid = |message: &str| ApiError::invalid(Source::Query.place(&name), message);
        if seen.contains(&name) {
            return Err(invalid("given twice"));
        }
        seen.push(name.clone());
        match name.as_str() {
            "format" => {
                format = Format::from_name(&value)
                    .ok_or_else(|| invalid("none of `csv`, `jsonl`, `evidence`"))?;
            }
            "gzip" => {
                gzip = value
                    .parse()
                    .map_err(|_| invalid("neither `true` nor `false`"))?;
            }
            "partitions" => partitions = value.split(',').map(str::to_owned).collect(),
            _ => terms.push((name, value)),
        }
    }
    request(caller, Source::Query, format, gzip, partitions, &terms)
}

fn request(
    caller: &Caller,
    source: Source,
    format: Format,
    gzip: bool,
    mut partitions: Vec<String>,
    terms: &[(String, String)],
) -> Result<Request, ApiError> {
    let terms = terms
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let filter = Filter::of_terms(terms).map_err(|faults| {
        ApiError::Invalid(
            faults
                .into_iter()
                .map(|fault| source.fault(fault))
                .collect(),
        )
    })?;
    let invalid = |message: &str| ApiError::invalid(source.place("partitions"), message);
    if partitions.len() > MOST_PARTITIONS {
        return Err(invalid("more than 64 partitions"));
    }
    if !partitions.iter().all(|name| is_partition_name(name)) {
        return Err(invalid("not a partition name among them"));
    }
    if !partitions.is_empty() && filter.partition().is_some() {
        return Err(invalid("beside a filter with `partition`"));
    }
    partitions.sort_unstable();
    partitions.dedup();
    let request = Request {
        format,
        gzip,
        partitions,
        filter,
        personal: caller.may(Permission::ReadPersonal),
    };
    may_ask(caller, &request)?;
    Ok(request)
}

/// Beyond the role.
fn may_ask(caller: &Caller, request: &Request) -> Result<(), ApiError> {
    let masked = !request.personal && request.filter.personal().is_some();
    let evidence =
        request.format == Format::Evidence && !(request.personal && caller.may(Permission::Audit));
    let hidden = |name: &String| name == SYSTEM && !caller.may(Permission::ReadSystem);
    if masked || evidence || request.named().iter().any(hidden) {
        return Err(ApiError::Forbidden { code: "forbidden" });
    }
    Ok(())
}

/// The chains as they are now, as far as the caller may read them. A name that no chain has is
/// refused: an empty file would look like an answer.
pub(super) async fn stretches(
    state: &State,
    caller: &Caller,
    request: &Request,
    source: Source,
) -> Result<Vec<Stretch>, ApiError> {
    let readable = |name: &str| name != SYSTEM || caller.may(Permission::ReadSystem);
    let tenant = tenant(caller)?;
    let found = export::stretches(state.ledger(), &tenant, request, readable).await;
    let stretches = found.map_err(unanswered)?;
    let given = |name: &str| matches!(name, "default" | SYSTEM);
    let there = |name: &String| stretches.iter().any(|stretch| stretch.partition == *name);
    let named = request.named();
    if !named.iter().all(|name| given(name) || there(name)) {
        let place = match (source, request.filter.partition()) {
            (Source::Body, Some(_)) => source.place("filter/partition"),
            (Source::Query, Some(_)) => source.place("partition"),
            (_, None) => source.place("partitions"),
        };
        return Err(ApiError::invalid(place, "no partition has this name"));
    }
    Ok(stretches)
}

/// What the trail says of an export.
pub(super) fn metadata(request: &Request, stretches: &[Stretch]) -> serde_json::Value {
    /// More would make an entry that is too long.
    const LISTED: usize = 100;
    let filter: serde_json::Map<_, _> = request
        .filter
        .terms()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let chains: Vec<_> = stretches.iter().take(LISTED).map(|part| {
        serde_json::json!({"partition": part.partition, "generation": part.generation, "from": part.from, "to": part.to})
    }).collect();
    serde_json::json!({
        "format": request.format,
        "gzip": request.gzip,
        "filter": filter,
        "partitions": request.partitions,
        "chains": chains,
        "chain_count": stretches.len(),
        "personal": request.personal,
    })
}
