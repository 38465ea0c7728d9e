//! How an index is made: strict and explicit, so that nothing is guessed from a document. Core modules
//! of OpenSearch alone are asked for.

use query::Keyword;
use serde_json::{Map, Value, json};

use crate::COUNTED;

/// Shards of an index that many tenants share; a tenant is in one of them.
const POOL_SHARDS: u32 = 4;

/// The index of one tenant, with the aliases that it has from its first moment. One shard: counts over
/// one are exact. That it is the aliases' index for writing makes a second one of the same alias refused.
pub(super) fn own(form: u32, aliases: &[&str]) -> Value {
    let aliases: Map<String, Value> = aliases
        .iter()
        .map(|alias| ((*alias).to_owned(), json!({"is_write_index": true})))
        .collect();
    json!({"settings": settings(1), "mappings": mappings(form, false), "aliases": aliases})
}

/// An index that tenants share.
pub(super) fn pool(form: u32) -> Value {
    json!({"settings": settings(POOL_SHARDS), "mappings": mappings(form, true)})
}

fn settings(shards: u32) -> Value {
    json!({"index": {
        "number_of_shards": shards,
        "auto_expand_replicas": "0-1",
        "refresh_interval": "-1",
        // Lists are read newest first, and a tenant's entries come in order.
        "sort.field": ["received_at"],
        "sort.order": ["desc"],
    }})
}

fn mappings(form: u32, pooled: bool) -> Value {
    let exact = json!({"type": "keyword", "doc_values": false});
    let column = json!({"type": "keyword"});
    let words = json!({"type": "text", "analyzer": "whitespace", "norms": false});
    // Whatever names its members have, they are one field of the mapping.
    let flat = json!({"type": "flat_object"});
    let mut properties = json!({
        "owner": exact,
        "partition": column,
        "generation": {"type": "integer"},
        "seq": {"type": "long"},
        "received_at": {"type": "long"},
        "words": words,
        "personal_words": words,
    });
    for keyword in Keyword::ALL {
        // Values that are counted need a column; all others are only looked up.
        let field = match keyword {
            Keyword::Metadata => &flat,
            counted if COUNTED.contains(&counted) => &column,
            _ => &exact,
        };
        properties[keyword.name()] = field.clone();
    }
    json!({
        "dynamic": "strict",
        "_meta": {"form": form},
        // A hit is read from columns, and an index is built from the ledger.
        "_source": {"enabled": false},
        "_routing": {"required": pooled},
        "properties": properties,
    })
}
