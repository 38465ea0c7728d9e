-- Entries are changed by nobody, except that the maintenance role may erase personal parts. Grants say
-- the same; the triggers also stop the owner and a superuser who does not mean it. One who does mean it
-- can get past them: that is what the hash chain and the checkpoints are for.
create function ledger.refuse() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  raise exception '% of %.% is refused', lower(tg_op), tg_table_schema, tg_table_name
    using errcode = 'insufficient_privilege';
end $$;

create function ledger.refuse_unless_erasure() returns trigger
  language plpgsql
  set search_path = pg_catalog
as $$
begin
  if current_user <> 'veritrail_maintain' then
    raise exception '% of %.% is refused', lower(tg_op), tg_table_schema, tg_table_name
      using errcode = 'insufficient_privilege';
  end if;
  if tg_op = 'DELETE' then
    return old;
  end if;
  if (new.tenant, new.id, new.seq, new.received_at, new.generation, new.partition, new.hash, new.event)
    is distinct from
    (old.tenant, old.id, old.seq, old.received_at, old.generation, old.partition, old.hash, old.event)
  then
    raise exception 'only salt, parts and residue of an entry can be erased'
      using errcode = 'insufficient_privilege';
  end if;
  return new;
end $$;

-- Row triggers reach the chunks of a hypertable, truncate triggers do not.
create trigger no_change before update or delete on ledger.entries
  for each row execute function ledger.refuse_unless_erasure();
create trigger no_truncate before truncate on ledger.entries
  for each statement execute function ledger.refuse();

create trigger no_change before update or delete on ledger.entry_ids
  for each row execute function ledger.refuse();
create trigger no_truncate before truncate on ledger.entry_ids
  for each statement execute function ledger.refuse();

create trigger only_forward before update on ledger.chains
  for each row when (
    (new.tenant, new.partition) is distinct from (old.tenant, old.partition)
    or new.generation < old.generation
    or (new.generation = old.generation and new.size <= old.size)
  ) execute function ledger.refuse();
create trigger no_delete before delete on ledger.chains
  for each row execute function ledger.refuse();
create trigger no_truncate before truncate on ledger.chains
  for each statement execute function ledger.refuse();
