//! Tenants: the shape in which they are given out, and who may see one. Never deleted, and never renamed in their code.

pub(crate) mod admins;
pub(crate) mod break_glass;
pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod patch;

use serde::{Deserialize, Serialize};
use service::{Caller, Permission};
use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::rules;

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Tenant {
    id: Uuid,
    #[schema(example = "acme-eu")]
    code: String,
    #[schema(example = "Acme Europe")]
    name: String,
    status: Status,
    settings: Settings,
    /// When the tenant's first admin accepted; from then on operators need break-glass.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    first_admin_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    updated_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = TenantStatus)]
pub(crate) enum Status {
    Active,
    /// Nothing goes.
    Suspended,
    /// No login, no append, no change; readable and provable.
    Archived,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = TenantSettings)]
pub(crate) struct Settings {
    registration: Registration,
    /// E-mail domains that may register; empty: any. Addresses are not verified, so this is no proof of belonging.
    #[schema(example = json!(["example.com"]))]
    registration_domains: Vec<String>,
    /// Ids that look like e-mail addresses are taken into entries, where they can never be erased.
    personal_ids: bool,
    #[schema(example = 900, minimum = 60, maximum = 3600)]
    access_token_seconds: i32,
    #[schema(example = 1_209_600, minimum = 3600, maximum = 7_776_000)]
    refresh_token_seconds: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RegistrationPolicy)]
pub(crate) enum Registration {
    Closed,
    /// People register, and an admin lets each of them in.
    Approval,
    /// People register and are in, as viewers. Their addresses are not verified.
    Open,
}

/// A tenant's row.
struct Row {
    id: Uuid,
    code: String,
    name: String,
    status: String,
    registration: String,
    registration_domains: Vec<String>,
    personal_ids: bool,
    access_token_seconds: i32,
    refresh_token_seconds: i32,
    first_admin_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Suspended => "suspended",
            Status::Archived => "archived",
        }
    }

    fn parse(text: &str) -> Status {
        match text {
            "active" => Status::Active,
            "archived" => Status::Archived,
            // The strictest, though the table lets no other word in.
            _ => Status::Suspended,
        }
    }
}

impl Registration {
    fn as_str(self) -> &'static str {
        match self {
            Registration::Closed => "closed",
            Registration::Approval => "approval",
            Registration::Open => "open",
        }
    }

    pub(crate) fn parse(text: &str) -> Registration {
        match text {
            "approval" => Registration::Approval,
            "open" => Registration::Open,
            _ => Registration::Closed,
        }
    }
}

impl From<Row> for Tenant {
    fn from(row: Row) -> Tenant {
        Tenant {
            id: row.id,
            code: row.code,
            name: row.name,
            status: Status::parse(&row.status),
            settings: Settings {
                registration: Registration::parse(&row.registration),
                registration_domains: row.registration_domains,
                personal_ids: row.personal_ids,
                access_token_seconds: row.access_token_seconds,
                refresh_token_seconds: row.refresh_token_seconds,
            },
            first_admin_at: row.first_admin_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

async fn by_code(executor: impl PgExecutor<'_>, code: &str) -> Result<Tenant> {
    if !rules::is_code(code) {
        return Err(Error::not_found());
    }
    let row = sqlx::query_as!(
        Row,
        "select id, code, name, status, registration, registration_domains, personal_ids,
                access_token_seconds, refresh_token_seconds, first_admin_at, created_at, updated_at
         from auth.tenants where code = $1",
        code,
    )
    .fetch_optional(executor)
    .await?;
    row.map(Tenant::from).ok_or_else(Error::not_found)
}

/// Operators see every tenant, anybody else his own; another one does not exist for him.
fn may_see(caller: &Caller, code: &str) -> Result<()> {
    match &caller.tenant {
        None => Ok(caller.require(Permission::ManageTenants)?),
        Some(own) if own.code == code => Ok(()),
        Some(_) => Err(Error::not_found()),
    }
}
