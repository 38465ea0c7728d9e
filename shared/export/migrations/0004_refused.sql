-- How often the object store refused the file of a job: what it refuses for long fails.
alter table export.jobs add column refused int4 not null default 0;

grant update (refused) on export.jobs to veritrail_export_work;
