-- One row per export job. What was asked for never changes after the insert: neither role may update it.
create table export.jobs (
  tenant uuid not null,
  id uuid not null,
  -- What entries name: chains are read and verified by it.
  tenant_code text not null,
  created_at timestamptz not null default clock_timestamp(),
  -- The principal that asked, type:id.
  created_by text not null,
  -- Format, filter, partitions, mask.
  request jsonb not null,
  -- The stretch of each chain as it was when the job was made: what is appended later is not in it.
  stretches jsonb not null,
  -- Entries in all stretches together.
  total int8 not null,

  state text not null default 'queued',
  -- Goes up with every claim. Whoever holds an older one can change nothing any more.
  attempt int4 not null default 0,
  -- How often a worker was not heard of again.
  lost int4 not null default 0,
  -- Not before this moment; after a failure that is nobody's fault.
  due_at timestamptz not null default clock_timestamp(),
  leased_until timestamptz,
  started_at timestamptz,
  -- Of the attempt at work, or of the last one.
  rows_done int8 not null default 0,
  rows_scanned int8 not null default 0,

  ended_at timestamptz,
  -- Of a finished job: when its object goes.
  expires_at timestamptz,
  bytes int8,
  sha256 bytea,
  -- The last hash of each stretch.
  hashes jsonb,
  -- Of a failed job: code and, for a damaged entry, its place.
  failure jsonb,
  -- Nothing of it is left in the store.
  cleaned boolean not null default false,

  primary key (tenant, id),
  constraint jobs_shape check (
    state in ('queued', 'running', 'finished', 'failed', 'cancelled', 'expired')
    and (state = 'running') = (leased_until is not null)
    and (state in ('queued', 'running')) = (ended_at is null)
    and (state <> 'finished' or (expires_at is not null and bytes is not null and octet_length(sha256) = 32))
    and (state <> 'failed' or failure is not null)
  )
);

create index jobs_listed on export.jobs (tenant, created_at, id);
create index jobs_open on export.jobs (due_at) where state in ('queued', 'running');
create index jobs_to_expire on export.jobs (expires_at) where state = 'finished';
create index jobs_to_clean on export.jobs (ended_at) where state in ('failed', 'cancelled', 'expired') and not cleaned;
create index jobs_to_forget on export.jobs (ended_at) where cleaned;

grant usage on schema export to veritrail_export_ask, veritrail_export_work;
grant select, insert (tenant, id, tenant_code, created_by, request, stretches, total) on export.jobs to veritrail_export_ask;
grant update (state, leased_until, ended_at) on export.jobs to veritrail_export_ask;
grant select, delete on export.jobs to veritrail_export_work;
grant update (state, attempt, lost, due_at, leased_until, started_at, rows_done, rows_scanned, ended_at, expires_at,
              bytes, sha256, hashes, failure, cleaned) on export.jobs to veritrail_export_work;
