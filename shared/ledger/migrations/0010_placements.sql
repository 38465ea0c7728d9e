-- Where the search index of a tenant is made, each time that it is: chosen by an operator, or as new tenants' were when
-- it was made first.
create table ledger.placements (
  tenant uuid primary key,
  placement text not null,
  constraint placements_shape check (placement in ('own', 'pooled'))
);

grant select, insert, update on ledger.placements to veritrail_follow;
