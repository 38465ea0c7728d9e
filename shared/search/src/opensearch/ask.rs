//! A filter as a query of OpenSearch, and one page of hits. Nothing is scored, and no text of a reader
//! is taken for anything but a term.

use chain::{Mask, Timestamp};
use query::{Filter, Form, Keyword, Occurs, Order, Text};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Http, QUICK};
use crate::{Ask, Error, Hit, MAX_HITS, Window};

/// `None`: nothing can be found.
pub(super) fn query(filter: &Filter, windows: &[Window], mask: Mask) -> Option<Value> {
    let mut windows = windows.iter().filter(|w| w.from < w.to).peekable();
    windows.peek()?;
    if mask == Mask::Personal && filter.personal().is_some() {
        return None;
    }
    let chains: Vec<_> = windows.map(window).collect();
    let mut must = vec![json!({"bool": {"should": chains, "minimum_should_match": 1}})];
    let mut must_not = Vec::new();
    for (keyword, value) in filter.keywords() {
        must.push(match keyword {
            Keyword::Metadata => {
                let (path, value) = Keyword::path(&value);
                json!({"term": {format!("{}.{path}", keyword.name()): value}})
            }
            _ => json!({"term": {keyword.name(): value}}),
        });
    }
    if filter.from().is_some() || filter.to().is_some() {
        let mut bounds = json!({});
        if let Some(from) = filter.from() {
            bounds["gte"] = json!(from.as_micros());
        }
        if let Some(to) = filter.to() {
            bounds["lt"] = json!(to.as_micros());
        }
        must.push(json!({"range": {"received_at": bounds}}));
    }
    let searched: &[&str] = match mask {
        Mask::Nothing => &["words", "personal_words"],
        Mask::Personal => &["words"],
    };
    for clause in filter.text().into_iter().flat_map(Text::clauses) {
        let each: Vec<_> = searched.iter().map(|f| words(f, &clause.form)).collect();
        let any = json!({"bool": {"should": each, "minimum_should_match": 1}});
        match clause.occurs {
            Occurs::Must => must.push(any),
            Occurs::MustNot => must_not.push(any),
        }
    }
    Some(json!({"bool": {"filter": must, "must_not": must_not}}))
}

fn window(window: &Window) -> Value {
    json!({"bool": {"filter": [
        {"term": {"partition": window.partition}},
        {"term": {"generation": window.generation}},
        {"range": {"seq": {"gte": window.from, "lt": window.to}}},
    ]}})
}

fn words(field: &str, form: &Form) -> Value {
    match form {
        Form::Word(word) => json!({"term": {field: word}}),
        Form::Phrase(words) => json!({"match_phrase": {field: words.join(" ")}}),
        Form::Prefix(prefix) => json!({"prefix": {field: prefix}}),
    }
}

#[derive(Deserialize)]
struct Found {
    timed_out: bool,
    /// Absent where it would be empty.
    #[serde(default)]
    hits: Hits,
}

#[derive(Default, Deserialize)]
struct Hits {
    hits: Vec<Sorted>,
}

#[derive(Deserialize)]
struct Sorted {
    sort: (i64, String, u32, u64),
}

/// What is sent for a page; `None`: nothing can be found.
pub(super) fn page(ask: &Ask<'_>) -> Option<Value> {
    let query = query(ask.filter, ask.windows, ask.mask)?;
    let order = match ask.order {
        Order::Ascending => "asc",
        Order::Descending => "desc",
    };
    let mut body = json!({
        "query": query,
        "size": ask.limit.clamp(1, MAX_HITS),
        "_source": false,
        // Not even the id, which would be decompressed for each hit.
        "stored_fields": "_none_",
        "track_total_hits": false,
        "timeout": "9s",
        "sort": [
            {"received_at": order}, {"partition": order}, {"generation": order}, {"seq": order},
        ],
    });
    if let Some(Hit {
        received_at,
        partition,
        generation,
        seq,
    }) = &ask.after
    {
        body["search_after"] = json!([received_at.as_micros(), partition, generation, seq]);
    }
    Some(body)
}

/// Where pages are asked for.
pub(super) fn path(alias: &str) -> String {
    search(alias, "timed_out,hits.hits.sort")
}

pub(super) async fn find(http: &Http, alias: &str, ask: &Ask<'_>) -> Result<Vec<Hit>, Error> {
    let Some(body) = page(ask) else {
        return Ok(Vec::new());
    };
    let found: Found = http.post(&path(alias), &body, QUICK).await?.read()?;
    complete(found.timed_out)?;
    let hits = found.hits.hits.into_iter();
    hits.map(|Sorted { sort }| {
        let (received_at, partition, generation, seq) = sort;
        let received_at = Timestamp::from_micros(received_at)
            .ok_or_else(|| Error::Outdated(anyhow::anyhow!("a hit without a time")))?;
        Ok(Hit {
            received_at,
            partition,
            generation,
            seq,
        })
    })
    .collect()
}

/// Where searches go. A part of the answer is no answer, and a copy may be behind the primary shard for a moment that
/// nobody tells: with replication of segments always, else where a refresh fails.
pub(super) fn search(alias: &str, answer: &str) -> String {
    format!(
        "{alias}/_search?allow_partial_search_results=false&preference=_primary&filter_path={answer}"
    )
}

pub(super) fn complete(timed_out: bool) -> Result<(), Error> {
    if timed_out {
        let slow = anyhow::anyhow!("a search took longer than 9 s");
        return Err(Error::Unavailable(slow));
    }
    Ok(())
}
