-- Readers see one tenant: the one that their transaction set (`set local ledger.tenant = '…'`). With
-- nothing set, current_setting, or the cast of the empty text it leaves behind, raises an error.
-- Queries repeat `tenant = …`: inside a compressed chunk the view's own condition is applied late.
-- They are no security barriers: that would keep `order by … limit` away from the key, so that each
-- page reads the whole rest of its chain, and whoever can run a function of his own in a query as the
-- reader can set another tenant just as well.
create view ledger.tenant_chains as
  select tenant, partition, generation, size, hash, received_at
    from ledger.chains where tenant = current_setting('ledger.tenant')::uuid;

create view ledger.tenant_entries as
  select tenant, partition, generation, seq, received_at, id, salt, hash, event, parts, residue
    from ledger.entries where tenant = current_setting('ledger.tenant')::uuid;

create view ledger.tenant_entry_ids as
  select tenant, id, partition, generation, seq, received_at
    from ledger.entry_ids where tenant = current_setting('ledger.tenant')::uuid;

revoke all on function ledger.lock_head from public;
grant usage on schema ledger to veritrail_append, veritrail_read, veritrail_maintain;

-- New chains begin empty: size and time can only come from the update that adds entries.
grant select, insert on ledger.installation to veritrail_append;
grant select on ledger.chains, ledger.entries, ledger.entry_ids to veritrail_append;
grant insert (tenant, partition, generation, hash) on ledger.chains to veritrail_append;
grant update (size, hash, received_at) on ledger.chains to veritrail_append;
grant insert on ledger.entries, ledger.entry_ids to veritrail_append;
grant execute on function ledger.lock_head to veritrail_append;

grant select on ledger.tenant_chains, ledger.tenant_entries, ledger.tenant_entry_ids to veritrail_read;

grant select, update, delete on ledger.entries to veritrail_maintain;
