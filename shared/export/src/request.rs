//! What is asked for, and of which entries: formats, filter, and the stretches of chains that were
//! there when the export was asked for. It never decides who may ask.

use chain::{Mask, Timestamp};
use ledger::{Ledger, Tenant, Times};
use query::Filter;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;

/// The form of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The fixed [columns](crate::COLUMNS), RFC 4180, UTF-8.
    #[default]
    Csv,
    /// Reading form, one entry a line.
    Jsonl,
    /// Evidence form, one entry a line: exact texts, to be hashed.
    Evidence,
}

impl Format {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Evidence => "evidence",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Csv, Self::Jsonl, Self::Evidence]
            .into_iter()
            .find(|format| format.as_str() == name)
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Evidence => "evidence.jsonl",
        }
    }
}

/// What an export holds. Serialises to what the job table keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub format: Format,
    /// The file is compressed; it is served as that and not by `Content-Encoding`.
    pub gzip: bool,
    /// In the order of their names, each once; all that could be read when the list is empty.
    pub partitions: Vec<String>,
    #[serde(serialize_with = "write_filter", deserialize_with = "read_filter")]
    pub filter: Filter,
    /// Personal parts are in it: whoever asked may see them.
    pub personal: bool,
}

impl Request {
    pub fn mask(&self) -> Mask {
        if self.personal {
            Mask::Nothing
        } else {
            Mask::Personal
        }
    }

    pub fn times(&self) -> Times {
        Times {
            from: self.filter.from(),
            to: self.filter.to(),
        }
    }

    /// `veritrail-acme-20260115T103000Z.csv.gz`.
    pub fn file_name(&self, tenant: &Tenant, asked_at: Timestamp) -> String {
        let moment = asked_at.to_string();
        let second = moment.split('.').next().unwrap_or_default();
        let second: String = second.chars().filter(|c| !"-:".contains(*c)).collect();
        let gzip = if self.gzip { ".gz" } else { "" };
        let ending = self.format.ending();
        format!("veritrail-{}-{second}Z.{ending}{gzip}", tenant.code)
    }

    pub fn content_type(&self) -> &'static str {
        match (self.gzip, self.format) {
            (true, _) => "application/gzip",
            (false, Format::Csv) => "text/csv; charset=utf-8; header=present",
            (false, Format::Jsonl | Format::Evidence) => "application/jsonl",
        }
    }

    /// The partitions that are asked for by name; none for all.
    pub fn named(&self) -> Vec<String> {
        match self.filter.partition() {
            Some(partition) => vec![partition.to_owned()],
            None => self.partitions.clone(),
        }
    }
}

fn write_filter<S: Serializer>(filter: &Filter, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(filter.terms())
}

fn read_filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Filter, D::Error> {
    let terms = BTreeMap::<String, String>::deserialize(deserializer)?;
    let terms = terms
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    Filter::of_terms(terms).map_err(|_| de::Error::custom("not a filter of this version"))
}

/// Seqs `from..to` of a chain, fixed when the export was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    pub partition: String,
    /// From 1.
    pub generation: u32,
    pub from: u64,
    pub to: u64,
    /// Entry `to` was there as well, so that it can show that nothing before it is left out.
    #[serde(default)]
    pub beyond: bool,
}

/// The stretches that a request is about as the chains are now, in the order of their names, empty
/// ones included; of those that the asker may read.
///
/// # Errors
/// When the ledger cannot answer.
pub async fn stretches(
    ledger: &Ledger,
    tenant: &Tenant,
    request: &Request,
    readable: impl Fn(&str) -> bool,
) -> Result<Vec<Stretch>, ledger::Error> {
    // First the sizes: what was there then is there still when the windows are taken.
    let heads = ledger.partitions(tenant).await?;
    let windows = ledger
        .windows(tenant, &request.named(), request.times())
        .await?;
    let stretches = windows.into_iter().map(|window| Stretch {
        beyond: heads.iter().any(|head| {
            head.partition == window.partition
                && head.generation == window.generation
                && head.size > window.to
        }),
        partition: window.partition,
        generation: window.generation,
        from: window.from,
        to: window.to.max(window.from),
    });
    let mut stretches: Vec<_> = stretches
        .filter(|stretch| readable(&stretch.partition))
        .collect();
    stretches.sort_by(|a, b| (&a.partition, a.generation).cmp(&(&b.partition, b.generation)));
    Ok(stretches)
}
