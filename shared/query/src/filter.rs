//! The filter: which entries a reader asks for. Every value is checked when it is read, so that a
//! filter that exists is well formed; it never holds a limit, an order or a position.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chain::Timestamp;

use crate::urlencoded::shown;
use crate::{Fault, Text, metadata};

/// The most conditions that a filter has: each is compared with every entry that a stream's readers are
/// told of.
pub const MAX_CONDITIONS: usize = 64;

/// All conditions given must hold. A condition on something that an entry does not have, or no
/// longer has after an erasure, does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Every parameter given, normalised, by name: what the filter is, in one comparable form.
    terms: BTreeMap<String, String>,
    partition: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    pub(crate) action: Option<Action>,
    pub(crate) ip: Option<Address>,
    text: Option<Text>,
}

/// `invoice.paid` or `invoice.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Exactly(String),
    /// Every action below the prefix, which keeps its last dot.
    Below(String),
}

/// What `context.ip` is compared with: an address where both are one, the text otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Ip(IpAddr),
    Text(String),
}

impl Address {
    pub(crate) fn read(text: &str) -> Self {
        text.parse::<IpAddr>().map_or_else(
            |_| Self::Text(text.to_owned()),
            |ip| Self::Ip(ip.to_canonical()),
        )
    }
}

/// Conditions that are answered from personal parts, which not every reader may see; beside them those that
/// begin with [`METADATA`].
const PERSONAL: [&str; 4] = ["field", "ip", "request_id", "session_id"];
const LABEL: &str = "label.";
const METADATA: &str = "metadata.";

impl Filter {
    /// The one partition asked for; every readable one when absent.
    pub fn partition(&self) -> Option<&str> {
        self.partition.as_deref()
    }

    /// Received at this moment or later.
    pub fn from(&self) -> Option<Timestamp> {
        self.from
    }

    /// Received before this moment.
    pub fn to(&self) -> Option<Timestamp> {
        self.to
    }

    /// The condition on words.
    pub fn text(&self) -> Option<&Text> {
        self.text.as_ref()
    }

    /// Whether every entry of the partition and the time is asked for.
    pub fn is_whole(&self) -> bool {
        self.terms
            .keys()
            .all(|name| matches!(name.as_str(), "partition" | "from" | "to"))
    }

    /// The filter's parameters, normalised, in the order of their names.
    pub fn terms(&self) -> impl Iterator<Item = (&str, &str)> {
        self.terms
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first parameter that is answered from personal parts. A reader for whom these are
    /// masked must not use it, since whether an entry matches would tell what is masked.
    pub fn personal(&self) -> Option<&str> {
        self.terms
            .keys()
            .map(String::as_str)
            .find(|name| is_personal(name))
    }

    /// Whether the event's members are compared; partition, time and words need none of them.
    pub(crate) fn reads_event(&self) -> bool {
        self.terms.keys().any(|name| {
            !matches!(name.as_str(), "partition" | "from" | "to" | "q") && !is_personal(name)
        })
    }

    pub(crate) fn term(&self, name: &str) -> Option<&str> {
        self.terms.get(name).map(String::as_str)
    }

    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.terms()
            .filter_map(|(name, value)| Some((name.strip_prefix(LABEL)?, value)))
    }

    /// Paths, and what stands at each.
    pub(crate) fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        self.terms()
            .filter_map(|(name, value)| Some((name.strip_prefix(METADATA)?, value)))
    }

    /// Takes one parameter; `false` when no condition has this name.
    pub(crate) fn take(&mut self, name: &str, value: String) -> Result<bool, Fault> {
        let fault = |message| Fault::new(&shown(name), message);
        let value = match name {
            "partition" => {
                self.partition = Some(value.clone());
                is_partition_name(&value)
                    .then_some(value)
                    .ok_or("not a partition name")
            }
            "from" | "to" => match value.parse::<Timestamp>() {
                Ok(moment) => {
                    let side = if name == "from" {
                        &mut self.from
                    } else {
                        &mut self.to
                    };
                    *side = Some(moment);
                    Ok(moment.to_string())
                }
                Err(_) => Err("not an RFC 3339 time"),
            },
            "action" => action(&value).map(|action| {
                self.action = Some(action);
                value
            }),
            "ip" => text(value, 256).map(|value| {
                let address = Address::read(&value);
                let normalised = match &address {
                    Address::Ip(ip) => ip.to_string(),
                    Address::Text(text) => text.clone(),
                };
                self.ip = Some(address);
                normalised
            }),
            "q" => Text::parse(&value).map(|text| self.text.insert(text).to_string()),
            "activity" => one_of(value, &["create", "read", "update", "delete", "other"]),
            "severity" => one_of(value, &["info", "warning", "error", "critical"]),
            "outcome" => one_of(value, &["success", "failure", "unknown"]),
            "actor_type" => text(value, 32),
            "target_type" => text(value, 64),
            "correlation_id" => text(value, 128),
            "actor_id" | "target_id" | "field" => text(value, 256),
            "recorded_by" => text(value, 512),
            "request_id" | "session_id" => text(value, 1024),
            _ => match (name.strip_prefix(LABEL), name.strip_prefix(METADATA)) {
                (Some(label), _) if label_name(label) => text(value, 256),
                (Some(_), _) => Err("not a label's name"),
                (_, Some(path)) if metadata::is_path(path) => text(value, metadata::MAX_VALUE),
                (_, Some(_)) => Err("not a path of 1 to 256 characters without `=`"),
                (None, None) => return Ok(false),
            },
        };
        let value = value.map_err(fault)?;
        if self.terms.len() == MAX_CONDITIONS {
            return Err(fault("a filter has 64 conditions at most"));
        }
        self.terms.insert(name.to_owned(), value);
        Ok(true)
    }

    /// The filter of these parameters, each given once: one that was stored as its
    /// [`terms`](Self::terms), or one that came in a body.
    ///
    /// # Errors
    /// Every parameter that is unknown or whose value is outside its rule.
    pub fn of_terms<'a>(
        terms: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<Fault>> {
        let mut filter = Self::default();
        let mut faults = Vec::new();
        for (name, value) in terms {
            match filter.take(name, value.to_owned()) {
                Ok(true) => {}
                Ok(false) => faults.push(Fault::new(&shown(name), "unknown parameter")),
                Err(fault) => faults.push(fault),
            }
        }
        faults.extend(filter.check().err());
        if faults.is_empty() {
            Ok(filter)
        } else {
            Err(faults)
        }
    }

    /// What only the whole filter shows.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if to < from => Err(Fault::new("to", "before `from`")),
            _ => Ok(()),
        }
    }
}

fn is_personal(name: &str) -> bool {
    PERSONAL.contains(&name) || name.starts_with(METADATA)
}

/// Whether a partition can have this name: `[a-z0-9][a-z0-9_-]{0,62}`.
pub fn is_partition_name(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|char: char| char.is_ascii_lowercase() || char.is_ascii_digit())
        && name.bytes().all(|byte| word(byte) || byte == b'-')
}

fn word(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

fn label_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

fn action(text: &str) -> Result<Action, &'static str> {
    let (path, below) = text
        .strip_suffix(".*")
        .map_or((text, false), |path| (path, true));
    let well_formed = text.len() <= 130
        && path
            .split('.')
            .all(|step| !step.is_empty() && step.bytes().all(|byte| word(byte) || byte == b'-'));
    match (well_formed, below) {
        (false, _) => Err("neither an action nor a prefix as in `invoice.*`"),
        (true, true) => Ok(Action::Below(format!("{path}."))),
        (true, false) => Ok(Action::Exactly(path.to_owned())),
    }
}

fn one_of(value: String, allowed: &[&str]) -> Result<String, &'static str> {
    if allowed.contains(&value.as_str()) {
        Ok(value)
    } else {
        Err("not one of the values that this member has")
    }
}

fn text(value: String, max: usize) -> Result<String, &'static str> {
    match value.chars().take(max + 1).count() {
        0 => Err("empty"),
        // The database keeps no filter with it.
        _ if value.contains('\0') => Err("contains U+0000"),
        length if length > max => Err("longer than the member can be"),
        _ => Ok(value),
    }
}
