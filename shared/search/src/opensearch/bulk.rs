//! Writing and deleting in bulk: requests of bounded size, and what becomes of each item.

use query::{Document, Keyword};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Http, Typed};
use super::place::Place;
use crate::{Error, Refused};

/// Bytes of one request.
const MAX_BYTES: usize = 5 << 20;

#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(alias = "index", alias = "delete")]
    outcome: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    error: Option<Typed>,
}

const ANSWER: &str = "filter_path=items.*.status,items.*.error.type,items.*.error.caused_by";

/// Where documents are written: through the alias, so that they never make an index of their own.
pub(super) fn path(alias: &str) -> String {
    format!("{alias}/_bulk?require_alias=true&{ANSWER}")
}

pub(super) async fn write(
    http: &Http,
    alias: &str,
    place: &Place,
    documents: &[Document],
) -> Result<Vec<Refused>, Error> {
    let mut refused = Vec::new();
    for (body, documents) in bodies(place, documents) {
        send(http, alias, body, documents, &mut refused).await?;
    }
    Ok(refused)
}

/// Bodies of bounded size, each made when it is asked for, and the documents in it.
pub(super) fn bodies<'a>(
    place: &'a Place,
    mut rest: &'a [Document],
) -> impl Iterator<Item = (String, &'a [Document])> {
    std::iter::from_fn(move || {
        let mut lines = String::new();
        let mut count = 0;
        while lines.len() < MAX_BYTES
            && let Some(document) = rest.get(count)
        {
            line(&mut lines, place, document);
            count += 1;
        }
        let (sent, later) = rest.split_at(count);
        rest = later;
        (count > 0).then_some((lines, sent))
    })
}

async fn send(
    http: &Http,
    alias: &str,
    body: String,
    documents: &[Document],
    refused: &mut Vec<Refused>,
) -> Result<(), Error> {
    let answer = http.bulk(&path(alias), body).await?;
    let done: Done = answer.read()?;
    if done.items.len() != documents.len() {
        return Err(Error::Unavailable(anyhow::anyhow!(
            "items without an outcome"
        )));
    }
    let mut trouble = None;
    for (Item { outcome }, document) in done.items.into_iter().zip(documents) {
        match outcome.status {
            // 409: this version or a later one is there.
            200..=299 | 409 => {}
            404 => trouble = Some(Error::Missing),
            _ if outcome.is_of_the_document() => refused.push(Refused {
                partition: document.partition.clone(),
                generation: document.generation,
                seq: document.seq,
                reason: outcome.reason(),
            }),
            _ => trouble = Some(Error::Unavailable(anyhow::anyhow!(outcome.reason()))),
        }
    }
    trouble.map_or(Ok(()), Err)
}

impl Outcome {
    /// Whether the same document would be refused for ever. Everything else is a state of the index or of the
    /// cluster, which changes: blocks for writing and missing rights (403), an index that is closed, a
    /// pipeline that is not there (400). What is not known to be the document's fault is waited for, since
    /// nobody finds a document that was passed over.
    fn is_of_the_document(&self) -> bool {
        let Some(error) = &self.error else {
            return false;
        };
        let cause = error.caused_by.as_ref().map(|cause| cause.kind.as_str());
        match (self.status, error.kind.as_str()) {
            // A value that its field cannot have.
            (400, "mapper_parsing_exception") => true,
            // A term of more than 32,766 bytes; without this cause it can be a setting of the index.
            (400, "illegal_argument_exception") => {
                cause == Some("max_bytes_length_exceeded_exception")
            }
            _ => false,
        }
    }

    fn reason(&self) -> String {
        match &self.error {
            Some(error) => error.to_string(),
            None => self.status.to_string(),
        }
    }
}

fn line(lines: &mut String, place: &Place, document: &Document) {
    let id = place.id(&document.partition, document.generation, document.seq);
    let action = json!({"index": {
        "_id": id, "version": document.version, "version_type": "external",
    }});
    let mut fields = json!({
        "partition": document.partition,
        "generation": document.generation,
        "seq": document.seq,
        "received_at": document.received_at.as_micros(),
        "words": document.words,
        "personal_words": document.personal_words,
    });
    if let Some(owner) = &place.share {
        fields["owner"] = json!(owner);
    }
    for (keyword, value) in &document.keywords {
        let field = &mut fields[keyword.name()];
        let (field, value) = match keyword {
            Keyword::Metadata => {
                let (path, value) = Keyword::path(value);
                (&mut field[path], value)
            }
            _ => (field, value.as_str()),
        };
        match field {
            Value::Array(values) => values.push(json!(value)),
            first => *first = json!([value]),
        }
    }
    lines.push_str(&action.to_string());
    lines.push('\n');
    lines.push_str(&fields.to_string());
    lines.push('\n');
}

/// Deletes documents of a shared index by their ids; those that are not there any more are fine.
pub(super) async fn delete(
    http: &Http,
    index: &str,
    routing: &str,
    ids: &[String],
) -> Result<(), Error> {
    let mut lines = String::new();
    for id in ids {
        let action = json!({"delete": {"_id": id, "routing": routing}});
        lines.push_str(&action.to_string());
        lines.push('\n');
    }
    let path = format!("{index}/_bulk?{ANSWER}");
    let answer = http.bulk(&path, lines).await?;
    let done: Done = answer.read()?;
    for Item { outcome } in done.items {
        if !matches!(outcome.status, 200..=299 | 404) {
            return Err(Error::Unavailable(anyhow::anyhow!(outcome.reason())));
        }
    }
    Ok(())
}
