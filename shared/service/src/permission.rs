//! Roles and what each may do. Never asks who somebody is.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use crate::scope::{ScopeError, Scopes};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
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
