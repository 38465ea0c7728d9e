//! Roles, what each may do, and the scopes of service accounts. Never asks who somebody is.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One thing a route may demand of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Append entries.
    Append,
    /// Read and search entries, personal parts masked.
    Read,
    /// See personal parts.
    ReadPersonal,
    /// Read the `system` partition.
    ReadSystem,
    /// Evidence form, proofs, verification.
    Audit,
    /// Take entries out in bulk.
    Export,
    /// Create partitions.
    ManagePartitions,
    /// Users, service accounts, API keys and settings of the own tenant.
    ManageUsers,
    /// Tenants themselves (operators).
    ManageTenants,
}

/// A role as it stands in a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Role {
    /// Manages tenants and belongs to none; cannot read entries.
    Operator = 1,
    /// Everything within one tenant.
    Admin = 2,
    /// Reads, exports and verifies everything of one tenant.
    Auditor = 4,
    /// Reads one tenant's entries with personal parts masked, never `system`.
    Viewer = 8,
    /// Appends only.
    Writer = 16,
}

impl Role {
    const ALL: [Self; 5] = [
        Self::Operator,
        Self::Admin,
        Self::Auditor,
        Self::Viewer,
        Self::Writer,
    ];

    /// The name that stands in tokens and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::Viewer => "viewer",
            Self::Writer => "writer",
        }
    }

    fn permits(self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            Self::Operator => permission == P::ManageTenants,
            Self::Admin => permission != P::ManageTenants,
            Self::Auditor => matches!(
                permission,
                P::Read | P::ReadPersonal | P::ReadSystem | P::Audit | P::Export
            ),
            Self::Viewer => permission == P::Read,
            Self::Writer => permission == P::Append,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == name);
        found.ok_or(UnknownRole)
    }
}

/// The name is not that of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown role")]
pub struct UnknownRole;

/// A set of roles. In JSON an array of names, in the order of [`Role`].
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles(u8);

impl Roles {
    /// No role at all: internal tokens have none.
    pub const NONE: Self = Self(0);

    pub fn contains(self, role: Role) -> bool {
        self.0 & role as u8 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL
            .into_iter()
            .filter(move |role| self.contains(*role))
    }

    /// Whether any of the roles grants this.
    pub fn permit(self, permission: Permission) -> bool {
        self.iter().any(|role| role.permits(permission))
    }
}

impl From<Role> for Roles {
    fn from(role: Role) -> Self {
        Self(role as u8)
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | role as u8))
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let roles = Vec::<Role>::deserialize(deserializer)?;
        if roles.len() > Role::ALL.len() {
            return Err(de::Error::custom("a role twice"));
        }
        Ok(roles.into_iter().collect())
    }
}

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
