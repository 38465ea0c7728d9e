-- The id of the record in `system` that a job still waits for. Until then the job is due at no time
-- (`due_at` is infinity), so that no worker takes it. Jobs of the version before were recorded before their row.
alter table export.jobs add column unrecorded uuid;

grant insert (due_at, unrecorded), update (due_at, unrecorded) on export.jobs to veritrail_export_ask;
