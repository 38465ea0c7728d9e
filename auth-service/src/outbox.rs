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

/// The same for what concerns every tenant. Heads are locked in one order, so two of these do not wait for each other in a circle.
pub(crate) async fn write_to_all(connection: &mut PgConnection, act: &Act) -> sqlx::Result<()> {
    let tenants = sqlx::query_scalar!("select id from auth.tenants order by id")
        .fetch_all(&mut *connection)
        .await?;
    let ids: Vec<Uuid> = tenants.iter().map(|_| Uuid::now_v7()).collect();
    let entries: Vec<String> = ids.iter().map(|id| act.entry(*id)).collect();
    sqlx::query!(
        "with given as (
             select * from unnest($1::uuid[], $2::uuid[], $3::text[]) as g (tenant_id, id, entry)
         ), heads as (
             insert into auth.outbox_heads as h (tenant_id, size)
             select tenant_id, 1 from given order by tenant_id
             on conflict (tenant_id) do update set size = h.size + 1
             returning tenant_id, size
         )
         insert into auth.outbox (tenant_id, number, id, entry)
         select given.tenant_id, heads.size, given.id, given.entry
         from given join heads on heads.tenant_id = given.tenant_id",
        &tenants,
        &ids,
        &entries,
    )
    .execute(connection)
    .await?;
    Ok(())
}
