//! `GET /api/v1/logs`: a bounded scan of the ledger over the partitions that the caller may read.
//! It never holds a database connection between two of its statements.

use std::time::Duration;

use axum::extract;
use axum::http::Uri;
use axum::response::Response;
use chain::{Mask, Stored};
use ledger::{Limit, Scan, Times, Window};
use query::{Cursor, MAX_CHAINS, Order, Question, Remaining};
use serde_json::json;
use service::{ApiError, Caller, Permission, Place};
use tokio::time::Instant;

use super::{json, mask, visible};
use crate::State;
use crate::access_record::Read;
use crate::schema::{self, Conditions, Paging, Refusals};
use crate::state::{tenant, unanswered};

/// A page ends at the first of these, whether or not it is full: no filter can keep a reader
/// connection, or this process, busy for long.
const MAX_SCANNED: usize = 20_000;
const MAX_TIME: Duration = Duration::from_secs(2);
const MAX_ANSWER: usize = 8 << 20;
/// Of one statement; matching its rows takes well below a millisecond a time.
const STATEMENT: Limit = Limit {
    rows: 256,
    bytes: 2 << 20,
};

/// List entries
///
/// By time of receipt over all partitions that the caller may read, newest first unless `order`
/// says otherwise. All conditions given must hold. A label is asked for as `label.NAME=value`.
#[utoipa::path(
    get, path = "/api/v1/logs", operation_id = "list_entries", tag = "read",
    params(Conditions, Paging),
    responses(
        (status = 200, description = "A page, in reading form; without personal parts for viewers", body = schema::Page,
         example = json!({"entries": [], "next": null, "complete": true})),
        Refusals,
    ),
)]
pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, ApiError> {
    caller.require(Permission::Read)?;
    let question = Question::parse(uri.query().unwrap_or_default()).map_err(invalid)?;
    may_ask(&caller, &question)?;
    if let (Some(seq), Some(partition)) = (question.wait_for, question.filter.partition()) {
        let (waits, tenant) = (state.waits(), tenant(&caller)?.id);
        waits
            .until_visible(state.ledger(), tenant, partition, seq)
            .await?;
    }
    let scan = scan(&state, &caller, &question).await?;
    let read = Read::List(&question.filter);
    state.access_records().count(&state, &caller, read).await?;
    page(&state, &caller, &question, scan).await.map(json)
}

fn invalid(faults: Vec<query::Fault>) -> ApiError {
    let place = |fault: query::Fault| Place::new(fault.path, fault.message);
    ApiError::Invalid(faults.into_iter().map(place).collect())
}

/// Beyond the role: also a cursor may name only what its sender may read.
fn may_ask(caller: &Caller, question: &Question) -> Result<(), ApiError> {
    let cursor = question.cursor.iter().flat_map(|cursor| &cursor.remaining);
    let mut named = cursor
        .map(|part| part.partition.as_str())
        .chain(question.filter.partition());
    let personal = question.filter.personal().is_some() && !caller.may(Permission::ReadPersonal);
    if personal || named.any(|partition| !visible(caller, partition)) {
        return Err(ApiError::Forbidden { code: "forbidden" });
    }
    Ok(())
}

/// What is left to read: of the cursor, or of everything up to the heads of this moment.
async fn scan(state: &State, caller: &Caller, question: &Question) -> Result<Scan, ApiError> {
    let times = Times {
        from: question.filter.from(),
        to: question.filter.to(),
    };
    let windows = if let Some(cursor) = &question.cursor {
        cursor.remaining.iter().map(window).collect()
    } else {
        let named: Vec<_> = question
            .filter
            .partition()
            .map(str::to_owned)
            .into_iter()
            .collect();
        let found = state
            .ledger()
            .windows(&tenant(caller)?, &named, times)
            .await;
        let mut windows = found.map_err(unanswered)?;
        windows.retain(|window| window.from < window.to && visible(caller, &window.partition));
        windows.sort_by(|a, b| (&a.partition, a.generation).cmp(&(&b.partition, b.generation)));
        windows
    };
    if windows.len() > MAX_CHAINS {
        return Err(ApiError::invalid(
            "query.partition",
            "more than 64 partitions have entries in this time; name one, or a shorter time",
        ));
    }
    Ok(Scan {
        windows,
        times,
        order: match question.order {
            Order::Ascending => ledger::Order::Ascending,
            Order::Descending => ledger::Order::Descending,
        },
        limit: STATEMENT,
    })
}

fn window(left: &Remaining) -> Window {
    Window {
        partition: left.partition.clone(),
        generation: left.generation,
        from: left.from,
        to: left.to,
    }
}

async fn page(
    state: &State,
    caller: &Caller,
    question: &Question,
    mut scan: Scan,
) -> Result<String, ApiError> {
    let tenant = tenant(caller)?;
    let started = Instant::now();
    let mut page = Page::new(question, mask(caller));
    let mut scanned = 0;
    while page.has_room() {
        if scan.windows.iter().all(|window| window.from >= window.to) {
            return Ok(page.end(None, true));
        }
        if scanned >= MAX_SCANNED || started.elapsed() >= MAX_TIME {
            return Ok(page.end(Some(&scan), false));
        }
        // Whoever was shut out meanwhile gets nothing more.
        state.access().admit_read(caller)?;
        let rows = state
            .ledger()
            .by_time(&tenant, &scan)
            .await
            .map_err(unanswered)?;
        if rows.is_empty() {
            return Ok(page.end(None, true));
        }
        for row in &rows {
            if !page.has_room() {
                break;
            }
            scanned += 1;
            scan.consume(row);
            page.take(row);
        }
    }
    let full = page.count == question.limit;
    Ok(page.end(Some(&scan), full))
}

/// The answer as it grows.
struct Page<'a> {
    question: &'a Question,
    mask: Mask,
    entries: String,
    count: usize,
    /// Rows that are not what was recorded: shown as that, so that neither they nor one forged
    /// row keeps a reader from the rest.
    unreadable: Vec<serde_json::Value>,
}

impl<'a> Page<'a> {
    fn new(question: &'a Question, mask: Mask) -> Self {
        Self {
            question,
            mask,
            entries: String::new(),
            count: 0,
            unreadable: Vec::new(),
        }
    }

    fn has_room(&self) -> bool {
        self.count < self.question.limit && self.entries.len() < MAX_ANSWER
    }

    fn take(&mut self, row: &Stored) {
        match self
            .question
            .filter
            .matches(&row.event, row.parts.as_deref(), self.mask)
        {
            Ok(false) => return,
            Ok(true) => {
                if let Ok(form) = row.reading_form(self.mask) {
                    if self.count > 0 {
                        self.entries.push(',');
                    }
                    self.entries.push_str(&form);
                    self.count += 1;
                    return;
                }
            }
            Err(_) => {}
        }
        self.unreadable.push(json!({
            "partition": row.partition,
            "generation": row.generation,
            "seq": row.seq,
        }));
    }

    fn end(self, left: Option<&Scan>, complete: bool) -> String {
        let remaining = left.into_iter().flat_map(|scan| &scan.windows);
        let cursor = Cursor {
            remaining: remaining
                .filter(|window| window.from < window.to)
                .map(|window| Remaining {
                    partition: window.partition.clone(),
                    generation: window.generation,
                    from: window.from,
                    to: window.to,
                })
                .collect(),
        };
        let next = (!cursor.remaining.is_empty())
            .then(|| cursor.encode(&self.question.filter, self.question.order));
        let mut body = format!(
            "{{\"entries\":[{}],\"next\":{},\"complete\":{complete}",
            self.entries,
            json!(next)
        );
        if !self.unreadable.is_empty() {
            body.push_str(",\"unreadable\":");
            body.push_str(&json!(self.unreadable).to_string());
        }
        body.push('}');
        body
    }
}
