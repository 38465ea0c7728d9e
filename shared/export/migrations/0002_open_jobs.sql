-- How many jobs of a tenant are open, and how many are at work: asked with every new job and every claim.
create index jobs_open_of_tenant on export.jobs (tenant, state) where state in ('queued', 'running');
