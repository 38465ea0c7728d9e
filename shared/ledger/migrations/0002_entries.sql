-- What was appended. `event` and `parts` are the canonical texts that were hashed; every other column
-- follows from the document, and verification checks that it does.
create table ledger.entries (
  tenant uuid not null,
  id uuid not null,
  seq int8 not null,
  received_at timestamptz not null,
  generation int4 not null,
  partition text not null,
  -- Null where there are no parts, and after an erasure.
  salt bytea,
  hash bytea not null,
  event text not null,
  -- Canonical JSON {part: value}; null where there are none.
  parts text,
  -- After an erasure: digests of the parts that went, salts of those that stay.
  residue text,
  constraint entries_shape check (
    generation >= 1 and seq >= 0 and octet_length(hash) = 32 and octet_length(salt) = 16
    and received_at >= '0001-01-01 00:00:00+00' and received_at < '10000-01-01 00:00:00+00'
  )
);

-- Which entry has an id. Beside `entries`, because a hypertable can have no unique key without the
-- time, and because ids stay taken when old entries go. `received_at` leads to the right chunk.
create table ledger.entry_ids (
  tenant uuid not null,
  id uuid not null,
  seq int8 not null,
  received_at timestamptz not null,
  generation int4 not null,
  partition text not null,
  primary key (tenant, id),
  constraint entry_ids_shape check (
    generation >= 1 and seq >= 0
    and received_at >= '0001-01-01 00:00:00+00' and received_at < '10000-01-01 00:00:00+00'
  )
);

-- With TimescaleDB, entries are a hypertable by time: chunks can be skipped, compressed, dropped. Its
-- key must contain the time, so there it is the head's compare-and-swap alone that keeps a seq single.
do $$
begin
  if exists (select from pg_extension where extname = 'timescaledb') then
    perform create_hypertable(
      'ledger.entries', by_range('received_at', interval '1 day'), create_default_indexes => false);
    alter table ledger.entries
      add constraint entries_key primary key (tenant, partition, generation, seq, received_at);
    begin
      alter table ledger.entries set (
        timescaledb.compress,
        timescaledb.compress_segmentby = 'tenant, partition, generation',
        timescaledb.compress_orderby = 'seq'
      );
    exception when feature_not_supported then
      raise notice 'this edition of TimescaleDB does not compress';
    end;
  else
    alter table ledger.entries
      add constraint entries_key primary key (tenant, partition, generation, seq);
  end if;
end $$;
