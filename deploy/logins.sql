-- The login of each program, with the roles that it needs and no other; run at each start, after the
-- migrations. The passwords are read from files that this container alone is given.

\set auth `cat /secrets/auth`
\set log `cat /secrets/log`
\set index `cat /secrets/index`
\set export `cat /secrets/export`

select format('create role %I login', name) from unnest(array['veritrail_auth', 'veritrail_log', 'veritrail_index', 'veritrail_export']) name
 where not exists (select from pg_roles where rolname = name)
\gexec

alter role veritrail_auth password :'auth';
alter role veritrail_log password :'log';
alter role veritrail_index password :'index';
alter role veritrail_export password :'export';

-- auth-service owns its schema and migrates it itself; nobody else looks into it.
grant create on database veritrail to veritrail_auth;
grant veritrail_append, veritrail_read, veritrail_export_ask to veritrail_log;
grant veritrail_follow to veritrail_index;
grant veritrail_read, veritrail_export_work to veritrail_export;
