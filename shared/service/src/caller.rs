//! Who asks: the verified identity behind a request. Only [`crate::access`] makes one from a credential.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::ApiError;
use crate::permission::{Permission, Roles};
use crate::scope::Scopes;

/// A tenant as a token names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Immutable; what rows, objects and indexes are keyed by.
    pub id: Uuid,
    /// Immutable, for people; part of every chain's genesis.
    pub code: String,
}

/// What sort of principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    User,
    Service,
    /// The installation itself: auth-service delivering its outbox.
    System,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
            Self::System => "system",
        }
    }
}

/// Who, with the immutable id. Displays as `kind:id`, the form of `recorded_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Principal {
    pub kind: Kind,
    pub id: Uuid,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.id)
    }
}

/// A verified caller. As an extractor it verifies the credential and the status feed before any
/// of the body is read; see [`crate::access::Access`].
///
/// Holds no credential, so logging it is harmless.
#[derive(Debug, Clone)]
pub struct Caller {
    /// None: an operator, who belongs to no tenant.
    pub tenant: Option<Tenant>,
    pub principal: Principal,
    pub roles: Roles,
    pub scopes: Scopes,
    /// The API key that the token was exchanged from, if any.
    pub key: Option<Uuid>,
    /// `kid` of the key that signed the token.
    pub signed_by: Arc<str>,
    pub jti: Uuid,
    /// Unix seconds.
    pub issued_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
}

impl Caller {
    /// The caller's tenant; 403 `no_tenant` for an operator.
    pub fn tenant(&self) -> Result<&Tenant, ApiError> {
        let code = "no_tenant";
        self.tenant.as_ref().ok_or(ApiError::Forbidden { code })
    }

    /// 403 `forbidden` unless one of the caller's roles grants it. An internal token may append,
    /// and a service account with the scope `partitions:create` may create partitions.
    pub fn require(&self, permission: Permission) -> Result<(), ApiError> {
        let code = "forbidden";
        self.may(permission)
            .then_some(())
            .ok_or(ApiError::Forbidden { code })
    }

    /// Whether [`Caller::require`] would pass.
    pub fn may(&self, permission: Permission) -> bool {
        let by_kind = match self.principal.kind {
            Kind::User => false,
            Kind::Service => {
                permission == Permission::ManagePartitions
                    && self.scopes.allow_creating_partitions()
            }
            Kind::System => permission == Permission::Append,
        };
        by_kind || self.roles.permit(permission)
    }

    /// Whether the caller may name this actor in an entry: a user only himself, a service account
    /// by its scopes, the installation anybody.
    pub fn may_record_actor(&self, actor_type: &str, actor_id: &str) -> bool {
        match self.principal.kind {
            Kind::User => {
                let mut buffer = Uuid::encode_buffer();
                let own = self.principal.id.hyphenated().encode_lower(&mut buffer);
                actor_type == "user" && actor_id == own
            }
            Kind::Service => self.scopes.allow_actor(actor_type),
            Kind::System => true,
        }
    }

    /// Whether the caller may append to this partition: the installation writes only `system`,
    /// nobody else writes it.
    pub fn may_append_to(&self, partition: &str) -> bool {
        match self.principal.kind {
            Kind::System => partition == "system",
            _ if partition == "system" => false,
            Kind::User => true,
            Kind::Service => self.scopes.allow_partition(partition),
        }
    }

    /// Whether the caller may append this action.
    pub fn may_record_action(&self, action: &str) -> bool {
        match self.principal.kind {
            Kind::User | Kind::System => true,
            Kind::Service => self.scopes.allow_action(action),
        }
    }
}
