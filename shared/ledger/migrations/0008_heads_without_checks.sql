-- A check and a trigger's condition are read from the catalogue, planned and compiled anew by every statement that
-- meets them: for the one head of a batch that took nearly as long as all else that a batch takes whatever its size. A
-- function is compiled once a session. It sets no search_path, which would cost half as much again: lanes have
-- pg_catalog alone, and whoever puts operators of his own before it means it.
create function ledger.refuse_unless_forward() returns trigger
  language plpgsql
as $$
begin
  if new.tenant = old.tenant and new.partition = old.partition
    and (new.generation > old.generation or new.generation = old.generation and new.size > old.size)
    and new.size >= 0 and octet_length(new.hash) = 32
    and new.received_at >= '0001-01-01 00:00:00+00' and new.received_at < '10000-01-01 00:00:00+00'
  then
    return new;
  end if;
  raise exception '% of %.% is refused', lower(tg_op), tg_table_schema, tg_table_name
    using errcode = 'insufficient_privilege';
end $$;

drop trigger only_forward on ledger.chains;
create trigger only_forward before update on ledger.chains
  for each row execute function ledger.refuse_unless_forward();

-- Where a chain begins it costs nothing that counts.
alter table ledger.chains drop constraint chains_shape;
create trigger in_shape before insert on ledger.chains
  for each row when (
    (new.generation >= 1 and new.size >= 0 and octet_length(new.hash) = 32
      and new.received_at >= '0001-01-01 00:00:00+00' and new.received_at < '10000-01-01 00:00:00+00') is not true
  ) execute function ledger.refuse();
