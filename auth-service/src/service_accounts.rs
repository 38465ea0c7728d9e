//! Service accounts: machines of a tenant, with one role, scopes, and API keys. Tenant first, always.

pub(crate) mod api_keys;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod patch;

use serde::{Deserialize, Serialize};
use service::{Role, Scopes};
use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::rules::Faults;

/// Bytes of all scopes together: they stand in every token, which has to fit into a header.
const SCOPES_MAX: usize = 1500;

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ServiceAccount {
    /// Also the `client_id`.
    pub(crate) id: Uuid,
    #[schema(example = "billing")]
    pub(crate) name: String,
    pub(crate) role: AccountRole,
    #[schema(example = json!(["actor:*", "partition:billing", "action:invoice"]))]
    pub(crate) scopes: Vec<String>,
    /// False once deleted.
    pub(crate) active: bool,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    updated_at: OffsetDateTime,
}

/// A machine never manages people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ServiceAccountRole)]
pub(crate) enum AccountRole {
    /// Appends, within its scopes.
    #[default]
    Writer,
    /// Reads, searches, exports, verifies.
    Auditor,
    /// Reads and searches, personal parts masked.
    Viewer,
}

impl AccountRole {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            AccountRole::Writer => Role::Writer,
            AccountRole::Auditor => Role::Auditor,
            AccountRole::Viewer => Role::Viewer,
        }
        .as_str()
    }
}

struct Row {
    id: Uuid,
    name: String,
    role: String,
    scopes: String,
    active: bool,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl From<Row> for ServiceAccount {
    fn from(row: Row) -> ServiceAccount {
        ServiceAccount {
            id: row.id,
            name: row.name,
            role: match row.role.as_str() {
                "auditor" => AccountRole::Auditor,
                "viewer" => AccountRole::Viewer,
                _ => AccountRole::Writer,
            },
            scopes: row.scopes.split(' ').map(str::to_owned).collect(),
            active: row.active,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl ServiceAccount {
    pub(crate) async fn by_id(
        executor: impl PgExecutor<'_>,
        tenant: Uuid,
        id: Uuid,
    ) -> Result<ServiceAccount> {
        sqlx::query_as!(
            Row,
            r#"select id, name, role, scopes, deactivated_at is null as "active!", created_at, updated_at
               from auth.service_accounts where tenant_id = $1 and id = $2"#,
            tenant,
            id,
        )
        .fetch_optional(executor)
        .await?
        .map(ServiceAccount::from)
        .ok_or_else(Error::not_found)
    }

    /// The same, kept from changing until the commit; 409 once it is deleted.
    async fn lock_active(
        connection: &mut PgConnection,
        tenant: Uuid,
        id: Uuid,
    ) -> Result<ServiceAccount> {
        sqlx::query_scalar!(
            "select id from auth.service_accounts where tenant_id = $1 and id = $2 for no key update",
            tenant,
            id,
        )
        .fetch_optional(&mut *connection)
        .await?;
        let account = ServiceAccount::by_id(connection, tenant, id).await?;
        if account.active {
            Ok(account)
        } else {
            Err(Error::conflict("deleted", "the service account is deleted"))
        }
    }
}

/// Scopes as they are stored; without any the account may do all that its role may.
fn scopes(path: &str, asked: Option<&[String]>, faults: &mut Faults) -> String {
    let Some(asked) = asked else {
        return Scopes::everything().to_string();
    };
    if asked.is_empty() {
        faults.add(path, "must have a scope");
    }
    for (index, scope) in asked.iter().enumerate() {
        if scope.contains(' ') || scope.parse::<Scopes>().map_or(true, |s| s.is_empty()) {
            faults.add(
                &format!("{path}/{index}"),
                "must be actor:TYPE, partition:NAME, action:PREFIX or partitions:create",
            );
        }
    }
    let text = asked.join(" ");
    if asked.len() > Scopes::MAX || text.len() > SCOPES_MAX {
        faults.add(path, "must have at most 64 scopes and 1500 characters");
    }
    text
}
