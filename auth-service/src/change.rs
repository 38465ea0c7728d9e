//! The start of every change: the caller's rights, checked once more against the database inside the transaction that changes something.
//! A token may be minutes old and the status feed a second; a change asks what is true now.

use service::{ApiError, Caller, Kind, Permission, Role, Roles};
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use crate::State;
use crate::error::{Error, Result};
use crate::outbox::act::Actor;

/// A transaction in which the caller may do what he asked for, and who he is for the record.
pub(crate) struct Change {
    pub(crate) tx: Transaction<'static, Postgres>,
    pub(crate) actor: Actor,
}

struct Standing {
    username: String,
    roles: Vec<String>,
    tenant_status: Option<String>,
}

impl State {
    /// Begins a change that needs `permission`. 401 when the caller's account is not in order any more, 403 when he may not.
    pub(crate) async fn begin(&self, caller: &Caller, permission: Permission) -> Result<Change> {
        caller.require(permission)?;
        self.access().admit_change(caller)?;
        let mut tx = self.pool().begin().await?;
        let standing = standing(&mut tx, caller)
            .await?
            .ok_or_else(|| Error::unauthorized("principal_disabled"))?;
        match standing.tenant_status.as_deref() {
            Some("suspended") => return Err(Error::forbidden("tenant_suspended")),
            Some("archived") => return Err(Error::forbidden("tenant_archived")),
            _ => {}
        }
        if !parse_roles(&standing.roles).permit(permission) {
            return Err(Error(ApiError::Forbidden { code: "forbidden" }));
        }
        Ok(Change {
            tx,
            actor: Actor::user(caller.principal.id, &standing.username),
        })
    }
}

/// The account behind a user's token, while it is active and the token is not older than its last revocation.
async fn standing(
    connection: &mut PgConnection,
    caller: &Caller,
) -> sqlx::Result<Option<Standing>> {
    if caller.principal.kind != Kind::User {
        return Ok(None);
    }
    sqlx::query_as!(
        Standing,
        r#"select u.username, u.roles, t.status as "tenant_status?"
           from auth.users u left join auth.tenants t on t.id = u.tenant_id
           where u.tenant_id is not distinct from $1 and u.id = $2 and u.status = 'active'
             and (u.not_before is null or u.not_before <= to_timestamp($3::bigint))"#,
        caller.tenant.as_ref().map(|tenant| tenant.id) as Option<Uuid>,
        caller.principal.id,
        caller.issued_at,
    )
    .fetch_optional(connection)
    .await
}

/// Roles as the database has them; its rules let no unknown name in.
pub(crate) fn parse_roles(names: &[String]) -> Roles {
    names
        .iter()
        .filter_map(|name| name.parse::<Role>().ok())
        .collect()
}

pub(crate) fn role_names(roles: Roles) -> Vec<String> {
    roles.iter().map(|role| role.as_str().to_owned()).collect()
}
