//! The scopes of service accounts: what one may assert and write. Never asks who somebody is.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a service account may write, as the space-separated `scope` claim (RFC 6749 §3.3):
/// `actor:TYPE`, `partition:NAME`, `action:PREFIX` (each with `*` for any) and `partitions:create`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Scopes(Arc<[Scope]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Actor(Box<str>),
    Partition(Box<str>),
    Action(Box<str>),
    CreatePartitions,
}

/// What is wrong with a scope string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    #[error("unknown scope `{0}`")]
    Unknown(String),
    #[error("more than {} scopes", Scopes::MAX)]
    TooMany,
}

impl Scopes {
    /// Most scopes one account may have.
    pub const MAX: usize = 64;

    /// What an account gets when its creator names no scopes.
    pub fn everything() -> Self {
        let any = || Box::from("*");
        Self(Arc::from([
            Scope::Actor(any()),
            Scope::Partition(any()),
            Scope::Action(any()),
        ]))
    }

    /// Whether the account may assert actors of this type.
    pub fn allow_actor(&self, actor_type: &str) -> bool {
        self.0.iter().any(|scope| match scope {
            Scope::Actor(allowed) => &**allowed == "*" || &**allowed == actor_type,
            _ => false,
        })
    }

    /// Whether the account may append to this partition.
    pub fn allow_partition(&self, partition: &str) -> bool {
        self.0.iter().any(|scope| match scope {
            Scope::Partition(allowed) => &**allowed == "*" || &**allowed == partition,
            _ => false,
        })
    }

    /// Whether the account may append this action. A prefix ends at a dot: `invoice` covers
    /// `invoice` and `invoice.paid`, never `invoices.paid`.
    pub fn allow_action(&self, action: &str) -> bool {
        self.0.iter().any(|scope| match scope {
            Scope::Action(prefix) => {
                &**prefix == "*"
                    || action
                        .strip_prefix(&**prefix)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
            _ => false,
        })
    }

    /// Whether the account may create partitions.
    pub fn allow_creating_partitions(&self) -> bool {
        self.0.contains(&Scope::CreatePartitions)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::str::FromStr for Scopes {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let mut scopes = Vec::new();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            if scopes.len() == Self::MAX {
                return Err(ScopeError::TooMany);
            }
            scopes.push(word.parse()?);
        }
        Ok(Self(scopes.into()))
    }
}

impl std::str::FromStr for Scope {
    type Err = ScopeError;

    fn from_str(word: &str) -> Result<Self, ScopeError> {
        let unknown = || ScopeError::Unknown(word.chars().take(128).collect());
        if word == "partitions:create" {
            return Ok(Self::CreatePartitions);
        }
        let (kind, value) = word.split_once(':').ok_or_else(unknown)?;
        let named = value.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.')
        });
        let edges = value.starts_with('.') || value.ends_with('.');
        if value.is_empty() || value.len() > 128 || edges || (value != "*" && !named) {
            return Err(unknown());
        }
        match kind {
            "actor" => Ok(Self::Actor(value.into())),
            "partition" => Ok(Self::Partition(value.into())),
            "action" => Ok(Self::Action(value.into())),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            match scope {
                Scope::Actor(value) => write!(f, "actor:{value}")?,
                Scope::Partition(value) => write!(f, "partition:{value}")?,
                Scope::Action(value) => write!(f, "action:{value}")?,
                Scope::CreatePartitions => f.write_str("partitions:create")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
