//! Questions of the row `search`, each ready for the API and for OpenSearch, and whether all answered
//! alike.

use anyhow::{Context as _, Result, ensure};
use chain::{Mask, Timestamp};
use search::{Ask, Window, wire};
use serde_json::Value;

use super::kept::Kept;
use crate::asked::{Asked, Kind, Span};
use crate::check::Trail;
use crate::rows::distributed::Distributed;

/// Entries of a page.
pub(super) const LIMIT: usize = 50;
/// Questions of each kind.
const EACH: u64 = 20;

/// One question, ready to be sent to each side.
pub(super) struct Question {
    pub(super) asked: Asked,
    pub(super) api: Vec<u8>,
    /// To the index that keeps the entries.
    pub(super) kept: Vec<u8>,
    /// To the installation's index.
    pub(super) places: Vec<u8>,
}

/// All the questions, each kind in turn.
pub(super) fn questions(
    installation: &Distributed,
    kept: &Kept,
    trail: &Trail,
    span: Span,
) -> Result<Vec<Question>> {
    let mut questions = Vec::new();
    for nth in 0..EACH {
        for kind in Kind::ALL {
            let asked = Asked::new(kind, nth, span)?;
            questions.push(question(installation, kept, trail, asked)?);
        }
    }
    Ok(questions)
}

fn question(
    installation: &Distributed,
    kept: &Kept,
    trail: &Trail,
    asked: Asked,
) -> Result<Question> {
    let partition = &trail.chain.partition;
    let query = format!("partition={partition}&{}&limit={LIMIT}", asked.query);
    let question =
        query::Question::parse(&query).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
    let ask = Ask {
        filter: &question.filter,
        windows: &[Window {
            partition: partition.clone(),
            generation: 1,
            from: 0,
            to: trail.size()?,
        }],
        mask: Mask::Nothing,
        order: question.order,
        limit: question.limit,
        after: None,
    };
    let places = wire::page(&installation.settings()?, trail.tenant()?, &ask);
    let places = places.context("something to ask")?;
    let opensearch = &installation.opensearch;
    Ok(Question {
        asked,
        api: page(&query, trail),
        kept: opensearch.rendered(&kept.page(trail, &ask)?),
        places: opensearch.rendered(&places),
    })
}

/// The times of the first entry and of the last one.
pub(in crate::rows) fn span(trail: &Trail) -> Result<Span> {
    let (tenant, partition) = (trail.tenant()?, &trail.chain.partition);
    let text = trail.database.run(&format!(
        "select (extract(epoch from min(received_at)) * 1000000)::int8 || ' ' ||
                (extract(epoch from max(received_at)) * 1000000)::int8
           from ledger.entries where tenant = '{tenant}' and partition = '{partition}'"
    ))?;
    let (from, to) = text.split_once(' ').context("two times")?;
    let time = |micros: &str| Timestamp::from_micros(micros.parse()?).context("a time");
    Ok(Span {
        from: time(from)?,
        to: time(to)?,
    })
}

/// The request for a page, through the API.
pub(super) fn page(query: &str, trail: &Trail) -> Vec<u8> {
    let token = &trail.reader.text;
    format!(
        "GET /api/v1/logs?{query} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}

/// All found the same entries, and these are what was asked for. Gives their number.
pub(super) fn same(question: &Question, api: &[u8], kept: &[u8], places: &[u8]) -> Result<u64> {
    let api: Value = serde_json::from_slice(api)?;
    let entries = api["entries"].as_array().context("no entries")?;
    question.asked.check(entries)?;
    let query = &question.asked.query;
    let (kept, places) = (hits(kept)?, hits(places)?);
    let kept = kept.iter().map(|hit| &hit["_source"]["entry"]);
    ensure!(kept.eq(entries), "{query}: other entries of OpenSearch");
    let places = places.iter().map(|hit| &hit["sort"][3]);
    let seqs = entries.iter().map(|entry| &entry["seq"]);
    ensure!(places.eq(seqs), "{query}: other places of OpenSearch");
    Ok(entries.len() as u64)
}

fn hits(answer: &[u8]) -> Result<Vec<Value>> {
    let mut answer: Value = serde_json::from_slice(answer)?;
    // Absent where nothing was found.
    Ok(match answer["hits"]["hits"].take() {
        Value::Array(hits) => hits,
        _ => Vec::new(),
    })
}
