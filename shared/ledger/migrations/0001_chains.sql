-- Every chain's genesis hash names the installation, so the name is fixed with the first start.
create table ledger.installation (
  only_row boolean primary key default true check (only_row),
  origin text not null
);

-- One row per chain: the head that the next entry is linked to. The row is updated with every batch,
-- so pages keep room for new versions of their rows (HOT), and vacuum comes by number of changes alone.
create table ledger.chains (
  tenant uuid not null,
  partition text not null,
  generation int4 not null default 1,
  -- Number of entries; the next one gets this seq.
  size int8 not null default 0,
  -- Of the last entry; the genesis hash while size is 0.
  hash bytea not null,
  -- Of the last entry; the format's earliest time while size is 0.
  received_at timestamptz not null default '0001-01-01 00:00:00+00',
  primary key (tenant, partition),
  constraint chains_shape check (
    generation >= 1 and size >= 0 and octet_length(hash) = 32 and received_at >= '0001-01-01 00:00:00+00'
    and received_at < '10000-01-01 00:00:00+00'
  )
) with (fillfactor = 50, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- Takes the session's advisory lock of a chain, then reads the head: plpgsql takes a new snapshot for
-- each statement, so the head is the one that the lock's last holder left, however long the wait was.
create function ledger.lock_head(lock int8, of_tenant uuid, of_partition text)
  returns table (generation int4, size int8, hash bytea, received_at timestamptz)
  language plpgsql volatile
  set search_path = pg_catalog
as $$
begin
  perform pg_advisory_lock(lock);
  return query
    select c.generation, c.size, c.hash, c.received_at
      from ledger.chains c where c.tenant = of_tenant and c.partition = of_partition;
end $$;
