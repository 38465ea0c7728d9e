-- A follower works through every chain, from its cursor to the head: the chain itself is the outbox.
-- Rows are updated about once a second for each chain that grows, so pages keep room for new versions.
create table ledger.cursors (
  follower text not null,
  tenant uuid not null,
  partition text not null,
  generation int4 not null,
  -- The seq of the first entry that is not done.
  next int8 not null,
  -- Of the last entry that is done. It never goes down within a chain, so it says which chunks of a
  -- hypertable cannot hold what comes next.
  received_at timestamptz not null,
  primary key (follower, tenant, partition, generation),
  constraint cursors_shape check (
    generation >= 1 and next >= 0
    and received_at >= '0001-01-01 00:00:00+00' and received_at < '10000-01-01 00:00:00+00'
  )
) with (fillfactor = 50, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- Where a tenant's cursors were set back. Whoever read a cursor before that cannot move it after it,
-- since what it did went to what there is no more.
create table ledger.fences (
  follower text not null,
  tenant uuid not null,
  epoch int8 not null,
  -- Nothing is done for the tenant until then.
  held_until timestamptz not null,
  primary key (follower, tenant)
);

-- Entries that the search index does not have and will not get by itself, with the reason.
create table ledger.unindexed (
  tenant uuid not null,
  partition text not null,
  generation int4 not null,
  seq int8 not null,
  reason text not null,
  noted_at timestamptz not null default now(),
  primary key (tenant, partition, generation, seq)
);

-- How far chains are, of all tenants: numbers and times alone. For whoever waits for several at once.
create view ledger.heads as
  select tenant, partition, generation, size, received_at from ledger.chains;

-- What a follower reads: entries of all tenants, without what only proofs need.
create view ledger.followed_entries as
  select tenant, partition, generation, seq, received_at, id, event, parts, residue from ledger.entries;

grant usage on schema ledger to veritrail_follow;
grant select on ledger.heads, ledger.followed_entries to veritrail_follow;
grant select, insert, update, delete on ledger.cursors, ledger.fences, ledger.unindexed to veritrail_follow;

grant select on ledger.heads, ledger.cursors to veritrail_read;
