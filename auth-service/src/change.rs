//! The start of every change: the caller's rights, checked once more against the database inside the transaction that changes something.
//! A token may be minutes old and the status feed a second; a change asks what is true now.

use service::{ApiError, Caller, Kind, Permission, Role, Roles};
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use crate::State;
use crate::error::{Error, Result};
use crate::outbox::act::Actor;
use crate::rate::Rate;

/// What one principal may change: 300 things at once, then one each 4 s. Every change is an entry of a trail, and many stay in the
/// status feed, which every service reads, for three hours.
const PRINCIPAL: Rate = Rate {
    cost: 4.0,
    burst: 300.0,
};
/// A tenant's principals together: twice as much, so that none of them alone uses up what the others need to stop him.
const TENANT: Rate = Rate {
    cost: 2.0,
    burst: 600.0,
};

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
    /// Begins a change that needs `permission`. 401 when the caller's account is not in order any more, 403 when he may not, 429 when he
    /// has changed too much of late.
    pub(crate) async fn begin(&self, caller: &Caller, permission: Permission) -> Result<Change> {
        self.admit(caller, permission).await?;
        self.open(caller, permission).await
    }

    /// The first half of [`State::begin`], for a change with costly work to do before its transaction: counts it.
    pub(crate) async fn admit(&self, caller: &Caller, permission: Permission) -> Result<()> {
        caller.require(permission)?;
        self.access().admit_change(caller)?;
        self.count_change(caller).await
    }

    /// Counts a change against its principal and its tenant, whether it succeeds or not: 429 when that is too much.
    pub(crate) async fn count_change(&self, caller: &Caller) -> Result<()> {
        let key = |kind: &str, id: Uuid| {
            let name = format!("{kind}\n{id}");
            self.secret().mac("veritrail/changes/v1", name.as_bytes())
        };
        let principal = key("principal", caller.principal.id);
        PRINCIPAL.charge(self.pool(), &principal).await?;
        if let Some(tenant) = &caller.tenant {
            let tenant = key("tenant", tenant.id);
            TENANT.charge(self.pool(), &tenant).await?;
        }
        Ok(())
    }

    /// The second half: the transaction.
    pub(crate) async fn open(&self, caller: &Caller, permission: Permission) -> Result<Change> {
        let mut tx = self.transaction().await?;
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
