//! The end of everything a user is signed in with, and the rule that a tenant keeps an admin.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{Error, Result};

/// Ends every sign-in and every access token there is. Tokens count in seconds, so those made from now on carry the next second as their `iat`,
/// and a second end within one second moves on by one more.
pub(crate) async fn end_all(connection: &mut PgConnection, user: Uuid) -> sqlx::Result<()> {
    // The user before his sign-ins, as everywhere, so that nobody waits in a circle.
    end_access_tokens(connection, user).await?;
    sqlx::query!(
        "update auth.refresh_families set revoked_at = now()
         where user_id = $1 and revoked_at is null",
        user,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the access tokens alone: the next refresh brings one with the rights of then.
pub(crate) async fn end_access_tokens(
    connection: &mut PgConnection,
    user: Uuid,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update auth.users set not_before = greatest(
             date_trunc('second', clock_timestamp()) + interval '1 second',
             not_before + interval '1 second')
         where id = $1",
        user,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// 409 when the user is the tenant's last active admin. Call it before anything else is locked: it takes every admin's row, in one order,
/// so that two who would remove each other wait for one another.
pub(crate) async fn keep_an_admin(
    connection: &mut PgConnection,
    tenant: Uuid,
    user: Uuid,
) -> Result<()> {
    let admins = sqlx::query_scalar!(
        "select id from auth.users
         where tenant_id = $1 and status = 'active' and 'admin' = any(roles)
         order by id for no key update",
        tenant,
    )
    .fetch_all(connection)
    .await?;
    if admins == [user] {
        return Err(Error::conflict(
            "last_admin",
            "the tenant would be without an admin",
        ));
    }
    Ok(())
}
