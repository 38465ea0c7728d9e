//! `GET /api/v1/logs/stats`: counts over the index, as far as it is; over the ledger itself, within
//! bounds, where there is no index to ask. The answer names what was counted.

use axum::extract;
use axum::http::Uri;
use axum::response::Response;
use chain::Timestamp;
use ledger::{Scan, Tenant, Window};
use query::{Document, Filter};
use search::{Counts, Histogram, Interval, MAX_TOP, Stats, StatsAsk, Tally, Zone};
use serde_json::{Value, json};
use service::{ApiError, Caller, Permission};
use tokio::time::Instant;

use super::asking::{MAX_SCANNED, MAX_TIME, STATEMENT, bounds};
use super::extent::Extent;
use super::list::{invalid, may_ask};
use super::wait::VISIBLE;
use super::{json, mask};
use crate::State;
use crate::access_record::Read;
use crate::index::TooManyBuckets;
use crate::schema::stats::Counting;
use crate::schema::{self, Conditions, Refusals};
use crate::state::{tenant, unanswered};

const DEFAULT_TOP: usize = 10;

/// Count entries
///
/// By action, actor, severity, outcome and target type, and by time when `interval` is given; with the
/// same conditions as a list. `counted` says of each partition which entries were looked at: counts are
/// those of the ledger from `from` to before `to`.
#[utoipa::path(
    get, path = "/api/v1/logs/stats", operation_id = "count_entries", tag = "read",
    params(Conditions, Counting),
    responses(
        (status = 200, description = "Counts", body = schema::stats::Stats),
        Refusals,
    ),
)]
pub(crate) async fn stats(
    extract::State(state): extract::State<State>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    caller.require(Permission::Read)?;
    let asked = Asked::parse(uri.query().unwrap_or_default())?;
    may_ask(&caller, &asked.filter, asked.filter.partition())?;
    let tenant = tenant(&caller)?;
    let mut view = state.ledger().view(&tenant).await.map_err(unanswered)?;
    let scan = bounds(&mut view, &caller, &asked.filter).await?;
    drop(view);
    let read = Read::Stats(&asked.filter);
    state.access_records().count(&state, &caller, read).await?;
    let (stats, counted) = match indexed(&state, &caller, &asked, &tenant, &scan.windows).await? {
        Some(answer) => answer,
        None => scanned(&state, &caller, &asked, &tenant, scan.clone()).await?,
    };
    let body = answer(&asked, stats, &scan.windows, &counted);
    Ok(json(body.to_string()))
}

struct Asked {
    filter: Filter,
    top: usize,
    histogram: Option<Histogram>,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let parameters = ["top", "interval", "time_zone"];
        let (filter, beside) = Filter::parse(query, &parameters).map_err(invalid)?;
        let mut top = DEFAULT_TOP;
        if let Some(text) = beside.get("top") {
            let number = text.parse().ok().filter(|n| (1..=MAX_TOP).contains(n));
            top = number
                .ok_or_else(|| ApiError::invalid("query.top", "not a number from 1 to 100"))?;
        }
        let zone = match beside.get("time_zone") {
            Some(name) => name.parse::<Zone>().map_err(|_| {
                ApiError::invalid("query.time_zone", "not a time zone such as Europe/Berlin")
            })?,
            None => Zone::UTC,
        };
        let histogram = match beside.get("interval") {
            Some(name) => Some(Histogram {
                interval: name.parse::<Interval>().map_err(|_| {
                    ApiError::invalid(
                        "query.interval",
                        "not one of minute, hour, day, week and month",
                    )
                })?,
                zone,
            }),
            None if beside.contains_key("time_zone") => {
                let message = "nothing to count by without `interval`";
                return Err(ApiError::invalid("query.time_zone", message));
            }
            None => None,
        };
        Ok(Self {
            filter,
            top,
            histogram,
        })
    }
}

fn too_many_buckets() -> ApiError {
    ApiError::invalid(
        "query.interval",
        "more than 1,000 buckets; a longer interval, or a shorter time",
    )
}

type Answered = (Stats, Vec<Window>);

/// `None`: the index cannot be asked, or was put in the place of another one meanwhile.
async fn indexed(
    state: &State,
    caller: &Caller,
    asked: &Asked,
    tenant: &Tenant,
    windows: &[Window],
) -> Result<Option<Answered>, ApiError> {
    let index = state.index();
    let Some(search) = index.get(tenant.id) else {
        return Ok(None);
    };
    let extent = Extent::read(state.ledger(), tenant).await?;
    let mut counted = windows.to_vec();
    for window in &mut counted {
        let next = extent.next(&window.partition, window.generation);
        window.to = next.clamp(window.from, window.to);
    }
    let windows: Vec<_> = counted
        .iter()
        .filter(|window| window.from < window.to)
        .map(|window| search::Window {
            partition: window.partition.clone(),
            generation: window.generation,
            from: window.from,
            to: window.to,
        })
        .collect();
    if windows.is_empty() {
        return Ok(None);
    }
    let ask = StatsAsk {
        filter: &asked.filter,
        windows: &windows,
        mask: mask(caller),
        top: asked.top,
        histogram: asked.histogram.clone(),
    };
    let asked_for = search.stats(tenant.id, &ask);
    let answer = index.answer(tenant.id, asked_for).await;
    let answer = answer.map_err(|TooManyBuckets| too_many_buckets())?;
    let Some(stats) = answer else {
        return Ok(None);
    };
    let epoch = state.ledger().epoch(VISIBLE, tenant.id).await;
    let holds = extent.holds(epoch.map_err(unanswered)?);
    Ok(holds.then_some((stats, counted)))
}

/// The newest entries, as many as can be read in bounded time.
async fn scanned(
    state: &State,
    caller: &Caller,
    asked: &Asked,
    tenant: &Tenant,
    mut scan: Scan,
) -> Result<Answered, ApiError> {
    let all = scan.windows.clone();
    let (started, mut read) = (Instant::now(), 0);
    let mut tally = Tally::default();
    scan.limit = STATEMENT;
    while read < MAX_SCANNED && started.elapsed() < MAX_TIME {
        if scan.windows.iter().all(|window| window.from >= window.to) {
            break;
        }
        state.access().admit_read(caller)?;
        let rows = state.ledger().by_time(tenant, &scan).await;
        let rows = rows.map_err(unanswered)?;
        if rows.is_empty() {
            scan.windows.iter_mut().for_each(|w| w.to = w.from);
        }
        for row in &rows {
            read += 1;
            scan.consume(&row.partition, row.generation, row.seq);
            let parts = row.parts.as_deref();
            // What cannot be read is in no index either.
            if let Ok(true) = asked.filter.matches(&row.event, parts, mask(caller))
                && let Ok(document) = Document::of(row)
            {
                tally.add(&document);
            }
        }
    }
    let times = (asked.filter.from(), asked.filter.to());
    let stats = tally.finish(asked.top, asked.histogram.as_ref(), times);
    // It reaches nobody, so that there is one way alone to fail.
    let stats = stats.map_err(|_| too_many_buckets())?;
    let counted = all.into_iter().zip(scan.windows).map(|(all, left)| Window {
        from: left.to.max(left.from).min(all.to),
        ..all
    });
    Ok((stats, counted.collect()))
}

fn answer(asked: &Asked, stats: Stats, all: &[Window], counted: &[Window]) -> Value {
    let windows = all.iter().zip(counted).map(|(all, counted)| {
        json!({
            "partition": all.partition, "generation": all.generation,
            "from": counted.from, "to": counted.to,
        })
    });
    let actors = stats.actors.top.iter().map(|(actor, count)| {
        let (kind, id) = actor.split_once(':').unwrap_or(("", actor));
        json!({"type": kind, "id": id, "count": count})
    });
    let mut body = json!({
        "total": stats.total,
        "complete": all == counted,
        "counted": windows.collect::<Vec<_>>(),
        "actions": counts(&stats.actions),
        "actors": {"top": actors.collect::<Vec<_>>(), "others": stats.actors.others},
        "severities": counts(&stats.severities),
        "outcomes": counts(&stats.outcomes),
        "target_types": counts(&stats.target_types),
    });
    if asked.histogram.is_some() {
        let time = |moment: Timestamp| moment.to_string();
        let buckets = stats.histogram.into_iter();
        body["histogram"] = buckets
            .map(|b| json!({"from": time(b.from), "to": time(b.to), "count": b.count}))
            .collect();
    }
    body
}

fn counts(counts: &Counts) -> Value {
    let top = counts.top.iter();
    let top = top.map(|(value, count)| json!({"value": value, "count": count}));
    json!({"top": top.collect::<Vec<_>>(), "others": counts.others})
}
