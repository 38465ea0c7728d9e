//! Questions of the row `search`, each ready for the API and for OpenSearch, and whether both answered
//! alike.

use anyhow::{Context as _, Result, ensure};
use chain::{Mask, Timestamp};
use query::Question;
use search::{Ask, Window, wire};
use serde_json::Value;

use crate::asked::{Asked, Kind, Span};
use crate::check::Trail;
use crate::rows::distributed::Distributed;

/// Entries of a page.
pub(super) const LIMIT: usize = 50;
/// Questions of each kind.
const EACH: u64 = 20;

/// One question, ready to be sent to either.
pub(super) struct Pair {
    pub(super) asked: Asked,
    pub(super) api: Vec<u8>,
    pub(super) direct: Vec<u8>,
}

/// All the questions, each kind in turn.
pub(super) fn pairs(installation: &Distributed, trail: &Trail, span: Span) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for nth in 0..EACH {
        for kind in Kind::ALL {
            let asked = Asked::new(kind, nth, span)?;
            pairs.push(pair(installation, trail, asked)?);
        }
    }
    Ok(pairs)
}

fn pair(installation: &Distributed, trail: &Trail, asked: Asked) -> Result<Pair> {
    let partition = &trail.chain.partition;
    let query = format!("partition={partition}&{}&limit={LIMIT}", asked.query);
    let question = Question::parse(&query).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
    let tenant = trail.writer.tenant_id.as_deref().context("a tenant")?;
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
    let request = wire::page(&installation.settings()?, tenant.parse()?, &ask);
    let direct = installation
        .opensearch
        .rendered(&request.context("something to ask")?);
    Ok(Pair {
        asked,
        api: page(&query, trail),
        direct,
    })
}

/// The times of the first entry and of the last one.
pub(in crate::rows) fn span(trail: &Trail) -> Result<Span> {
    let (tenant, partition) = (&trail.writer.tenant_id, &trail.chain.partition);
    let tenant = tenant.as_deref().context("a tenant")?;
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

/// Both found the same entries, and these are what was asked for. Gives their number.
pub(super) fn same(pair: &Pair, page: &str, hits: &str) -> Result<u64> {
    let page: Value = serde_json::from_str(page)?;
    let hits: Value = serde_json::from_str(hits)?;
    let entries = page["entries"].as_array().context("no entries")?;
    pair.asked.check(entries)?;
    let seqs: Vec<_> = entries.iter().map(|entry| entry["seq"].as_u64()).collect();
    let hits = hits["hits"]["hits"].as_array();
    let hits = hits
        .into_iter()
        .flatten()
        .map(|hit| hit["sort"][3].as_u64());
    let query = &pair.asked.query;
    ensure!(
        hits.eq(seqs.iter().copied()),
        "{query}: the API found {seqs:?}"
    );
    Ok(seqs.len() as u64)
}
