//! What is owed to the tenants' `system` partitions. An act and its entry are one transaction; delivery comes after, as often as it takes.
//! Never loses an entry: one that log-service refuses is parked and counted.

pub(crate) mod act;
pub(crate) mod deliver;

use sqlx::PgConnection;
use uuid::Uuid;

use act::Act;

/// Writes an entry beside the change it tells of; returns the entry's id.
///
/// Call it last in the transaction: from here to the commit it holds the tenant's head, which is what makes the numbers commit in order.
pub(crate) async fn write(
    connection: &mut PgConnection,
    tenant: Uuid,
    act: &Act,
) -> sqlx::Result<Uuid> {
    let id = Uuid::now_v7();
    let number = sqlx::query_scalar!(
        "insert into auth.outbox_heads as h (tenant_id, size) values ($1, 1)
         on conflict (tenant_id) do update set size = h.size + 1
         returning size",
        tenant,
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query!(
        "insert into auth.outbox (tenant_id, number, id, entry) values ($1, $2, $3, $4)",
        tenant,
        number,
        id,
        act.entry(id),
    )
    .execute(connection)
    .await?;
    Ok(id)
}
