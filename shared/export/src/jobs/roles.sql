-- Run before the migrations, by the login role that migrates, each time; changes nothing when all is there.

-- Roles belong to the server, not to a database: another database's migration may create them at the
-- same time. They cannot log in; login roles become members:
--   veritrail_owner        owns the schema; migrations only
--   veritrail_export_ask   log-service: asks for exports, looks at them, cancels them
--   veritrail_export_work  export-worker: says how far an export is, and forgets old ones
do $$
declare
  membership text := case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end;
  name text;
begin
  foreach name in array array['veritrail_owner', 'veritrail_export_ask', 'veritrail_export_work'] loop
    if not exists (select from pg_roles where rolname = name) then
      begin
        execute format('create role %I nologin', name);
      exception when duplicate_object or unique_violation then
        null;
      end;
    end if;
    if not pg_has_role(name, membership) then
      execute format('grant %I to %I', name, current_user);
    end if;
  end loop;
end $$;

do $$
begin
  if not exists (select from pg_namespace where nspname = 'export') then
    create schema export authorization veritrail_owner;
  end if;
end $$;
