//! `GET /api/v1/partitions/{p}/evidence`: a chain in evidence form, one JSON object a line,
//! streamed page by page as fast as the client reads. It never judges what it gives out; that is
//! the client's part.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use axum::body::{Body, Bytes};
use axum::extract;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use chain::Stored;
use futures_util::stream;
use ledger::read::{AuditHead, AuditRow};
use ledger::{Audit, Limit, Order, Range, Tenant, Window};
use serde_json::{Value, json};
use service::error::Problem;
use service::extract::{Path, Query};
use service::{ApiError, Caller, Permission};

use super::asked::Stretch;
use super::unclaimed::IdTableRow;
use crate::State;
use crate::access_record::{self, SYSTEM};
use crate::schema::{self, Refusals};
use crate::state::{tenant, unanswered};

/// Of one statement; what a client that stops reading keeps in memory is about two of these.
const PAGE: Limit = Limit {
    rows: 500,
    bytes: 1 << 20,
};

/// Get a partition in evidence form
///
/// One JSON object a line, in the order of `seq`, streamed. A connection that ends early is an
/// answer that failed.
#[utoipa::path(
    get, path = "/api/v1/partitions/{p}/evidence", operation_id = "get_partition_evidence", tag = "evidence",
    params(("p" = String, Path, description = "Name of the partition"), Stretch),
    responses(
        (status = 200, description = "Lines", body = schema::Evidence, content_type = "application/jsonl"),
        (status = 404, description = "No such partition in this tenant", body = Problem, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub(crate) async fn evidence(
    extract::State(state): extract::State<State>,
    caller: Caller,
    Path(partition): Path<String>,
    Query(asked): Query<Stretch>,
) -> Result<Response, ApiError> {
    caller.require(Permission::Audit)?;
    let tenant = tenant(&caller)?;
    let from = asked.from.unwrap_or(0);
    if asked.to.is_some_and(|to| to < from) {
        return Err(ApiError::invalid("query.to", "less than `from`"));
    }
    let chain = known(&state, &tenant, &partition).await?;
    let metadata = json!({"from": from, "to": asked.to});
    access_record::before_answer(&state, &caller, "trail.evidence", &partition, metadata).await?;

    let size = chain.as_ref().map_or(0, |chain| chain.to);
    let position = if asked.columns {
        Position::Rows {
            after: super::verify::before(chain.map_or(1, |chain| chain.generation), from),
            to: asked.to,
        }
    } else {
        Position::Chain {
            generation: chain.map_or(1, |chain| chain.generation),
            next: from,
            to: asked.to.unwrap_or(size).min(size),
        }
    };
    let lines = Lines {
        state,
        caller,
        tenant,
        partition,
        position,
    };
    let body = stream::try_unfold(lines, |mut lines| async move {
        match lines.next().await {
            Ok(page) => Ok(page.map(|page| (page, lines))),
            // The connection ends without the end of the answer: the client sees that it failed.
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "evidence ends early");
                Err(error)
            }
        }
    });
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/jsonl"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// The partition's chain; absent where entries have none, or nothing was written yet. 404 when there
/// is nothing of that name.
pub(super) async fn known(
    state: &State,
    tenant: &Tenant,
    partition: &str,
) -> Result<Option<Window>, ApiError> {
    if !query::is_partition_name(partition) {
        return Err(ApiError::NotFound);
    }
    let chain = super::chain(state, tenant, partition).await?;
    if chain.is_some() || matches!(partition, "default" | SYSTEM) {
        return Ok(chain);
    }
    let unchained = state.ledger().unchained(tenant).await.map_err(unanswered)?;
    if unchained.iter().any(|name| name == partition) {
        return Ok(None);
    }
    Err(ApiError::NotFound)
}

struct Lines {
    state: State,
    caller: Caller,
    tenant: Tenant,
    partition: String,
    position: Position,
}

enum Position {
    Chain {
        generation: u32,
        next: u64,
        to: u64,
    },
    Rows {
        after: Option<Audit>,
        to: Option<u64>,
    },
    End,
}

impl Lines {
    async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        self.may_go_on()?;
        match self.position {
            Position::End => Ok(None),
            Position::Chain { next, to, .. } if next >= to => Ok(None),
            Position::Chain {
                generation,
                next,
                to,
            } => self.chain(generation, next, to).await.map(Some),
            Position::Rows { after, to } => self.rows(after, to).await.map(Some),
        }
    }

    /// An answer can take hours: neither a token that ended nor a caller who was shut out keeps it.
    fn may_go_on(&self) -> anyhow::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        anyhow::ensure!(
            u64::try_from(self.caller.expires_at)? > now,
            "the token ended"
        );
        let admitted = self.state.access().admit_read(&self.caller);
        admitted.map_err(|refused| anyhow::anyhow!("no longer admitted: {refused}"))
    }

    /// Of the generation that was the current one when the answer began.
    async fn chain(&mut self, generation: u32, next: u64, to: u64) -> anyhow::Result<Bytes> {
        let range = Range {
            generation: Some(generation),
            from: next,
            to,
            order: Order::Ascending,
            limit: PAGE,
        };
        let rows = self
            .state
            .ledger()
            .range(&self.tenant, &self.partition, range)
            .await?;
        let last = rows
            .last()
            .with_context(|| format!("entry {next} is gone"))?;
        self.position = Position::Chain {
            generation,
            next: last.seq + 1,
            to,
        };
        let mut lines = String::new();
        for row in &rows {
            line(&mut lines, row, None);
        }
        Ok(lines.into())
    }

    async fn rows(&mut self, after: Option<Audit>, to: Option<u64>) -> anyhow::Result<Bytes> {
        let page = self
            .state
            .ledger()
            .audit(&self.tenant, &self.partition, after.as_ref(), PAGE);
        let page = page.await?;
        let mut lines = String::new();
        for row in &page.rows {
            if to.is_some_and(|to| row.stored.seq >= to) {
                self.position = Position::End;
                return Ok(lines.into());
            }
            line(&mut lines, &row.stored, Some(columns(row)));
        }
        self.position = Position::End;
        if let Some(after) = page.next {
            let after = Some(after);
            self.position = Position::Rows { after, to };
        } else {
            lines.push_str(&json!({"head": page.head.as_ref().map(head)}).to_string());
            lines.push('\n');
        }
        Ok(lines.into())
    }
}

fn head(head: &AuditHead) -> Value {
    json!({
        "generation": head.generation,
        "size": head.size,
        "hash": head.hash.to_string(),
        "received_at": head.received_at.map(|moment| moment.to_string()),
    })
}

/// A row that cannot be put into evidence form gets a line that says so, and the stream goes on.
fn line(out: &mut String, row: &Stored, columns: Option<Value>) {
    let form = row.evidence_form().unwrap_or_else(|corrupt| {
        let corrupt = json!({"seq": row.seq, "column": corrupt.column, "message": corrupt.message});
        json!({"corrupt": corrupt}).to_string()
    });
    if let Some(columns) = columns {
        out.push_str(form.strip_suffix('}').unwrap_or(&form));
        out.push_str(",\"columns\":");
        out.push_str(&columns.to_string());
        out.push('}');
    } else {
        out.push_str(&form);
    }
    out.push('\n');
}

fn columns(row: &AuditRow) -> Value {
    let stored = &row.stored;
    json!({
        "generation": stored.generation,
        "seq": stored.seq,
        "received_at": stored.received_at.to_string(),
        "id": stored.id,
        "hash": stored.hash.to_string(),
        "salt": stored.salt.is_some(),
        "residue": stored.residue.is_some(),
        "indexed": row.indexed.as_ref().map(IdTableRow::from),
    })
}
