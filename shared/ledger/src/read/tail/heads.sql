-- The heads of all chains of some tenants, and of some chains of others, in one short statement.
select c.tenant as "tenant!", c.partition as "partition!", c.generation as "generation!", c.size as "size!",
       c.hash as "hash!", c.received_at as "received_at!"
  from ledger.chains c
 where c.tenant = any ($1::uuid[])
   and c.received_at >= '0001-01-01 00:00:00+00' and c.received_at < '10000-01-01 00:00:00+00'
union all
select c.tenant, c.partition, c.generation, c.size, c.hash, c.received_at
  from unnest($2::uuid[], $3::text[]) w (tenant, partition)
 cross join lateral (
   select * from ledger.chains c where c.tenant = w.tenant and c.partition = w.partition offset 0
 ) c
 where c.received_at >= '0001-01-01 00:00:00+00' and c.received_at < '10000-01-01 00:00:00+00'
