-- Run before the migrations, by the login role that migrates, each time; changes nothing when all is there.

-- Roles belong to the server, not to a database: another database's migration may create them at the
-- same time. They cannot log in; login roles become members:
--   veritrail_owner    owns the schema; migrations only, since an owner can get past triggers
--   veritrail_append   the lanes: inserts entries and moves heads, changes and deletes nothing
--   veritrail_read     sees one tenant at a time, through views
--   veritrail_follow   reads entries of all tenants; writes cursors and what could not be indexed
--   veritrail_maintain erases personal parts; granted to no one here
do $$
declare
  membership text := case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end;
  name text;
begin
  foreach name in array array['veritrail_owner', 'veritrail_append', 'veritrail_read', 'veritrail_follow', 'veritrail_maintain'] loop
    if not exists (select from pg_roles where rolname = name) then
      begin
        execute format('create role %I nologin', name);
      exception when duplicate_object or unique_violation then
        null;
      end;
    end if;
    if name <> 'veritrail_maintain' and not pg_has_role(name, membership) then
      execute format('grant %I to %I', name, current_user);
    end if;
  end loop;
end $$;

do $$
begin
  if not exists (select from pg_namespace where nspname = 'ledger') then
    create schema ledger authorization veritrail_owner;
  end if;
end $$;

-- TimescaleDB is used where the server has it loaded and this role may create it. Loading it on a
-- server that does not preload it would end the session, so that is asked first; a role that may not
-- ask may not create either.
do $$
begin
  if exists (select from pg_available_extensions where name = 'timescaledb')
    and not exists (select from pg_extension where extname = 'timescaledb')
    and to_regclass('ledger.entries') is null
    and current_setting('shared_preload_libraries') ~ '\mtimescaledb\M'
  then
    create extension timescaledb;
  end if;
exception when insufficient_privilege then
  raise notice 'this role may not create the extension timescaledb; entries will be a plain table';
end $$;

-- TimescaleDB looks into its internal schema with the rights of whoever opens a session, so usage on it
-- is not revoked: every role without it, also those of other services, would be refused at its first
-- query. Chunks give the rights of their hypertable, and readers have none on that.
