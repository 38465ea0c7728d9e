//! Users: the shape in which they are given out, and the one query that finds one. Tenant first, always: another tenant's user does not exist.

pub(crate) mod accept;
pub(crate) mod create;
pub(crate) mod deactivate;
pub(crate) mod get;
pub(crate) mod invites;
pub(crate) mod list;
pub(crate) mod me;
pub(crate) mod password;
pub(crate) mod patch;
pub(crate) mod reactivate;
pub(crate) mod register;
pub(crate) mod sessions;

use serde::Serialize;
use service::Roles;
use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::change::parse_roles;
use crate::error::{Error, Result};

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    #[schema(example = "ann")]
    pub(crate) username: String,
    #[schema(example = "ann@example.com")]
    pub(crate) email: Option<String>,
    /// Always false: an address is kept as it was given and proves nothing about who the user is. No mail is sent to it.
    #[schema(example = false)]
    pub(crate) email_verified: bool,
    #[schema(example = "Ann Example")]
    pub(crate) name: Option<String>,
    #[schema(value_type = Vec<String>, example = json!(["auditor"]))]
    pub(crate) roles: Roles,
    pub(crate) status: Status,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = UserStatus)]
pub(crate) enum Status {
    /// Has a link to set a password, or had one that expired.
    Invited,
    /// Registered, and waits for an admin.
    Pending,
    Active,
    Deactivated,
}

/// A user's row.
struct Row {
    id: Uuid,
    username: String,
    email: Option<String>,
    name: Option<String>,
    roles: Vec<String>,
    status: String,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl From<Row> for User {
    fn from(row: Row) -> User {
        User {
            id: row.id,
            username: row.username,
            email: row.email,
            email_verified: false,
            name: row.name,
            roles: parse_roles(&row.roles),
            status: match row.status.as_str() {
                "invited" => Status::Invited,
                "pending" => Status::Pending,
                "active" => Status::Active,
                _ => Status::Deactivated,
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl User {
    /// A tenant's user.
    pub(crate) async fn by_id(
        executor: impl PgExecutor<'_>,
        tenant: Uuid,
        id: Uuid,
    ) -> Result<User> {
        sqlx::query_as!(
            Row,
            "select id, username, email, name, roles, status, created_at, updated_at
             from auth.users where tenant_id = $1 and id = $2",
            tenant,
            id,
        )
        .fetch_optional(executor)
        .await?
        .map(User::from)
        .ok_or_else(Error::not_found)
    }

    /// The same, kept from changing until the commit.
    pub(crate) async fn lock(
        connection: &mut sqlx::PgConnection,
        tenant: Uuid,
        id: Uuid,
    ) -> Result<User> {
        sqlx::query_scalar!(
            "select id from auth.users where tenant_id = $1 and id = $2 for no key update",
            tenant,
            id,
        )
        .fetch_optional(&mut *connection)
        .await?;
        User::by_id(connection, tenant, id).await
    }
}
