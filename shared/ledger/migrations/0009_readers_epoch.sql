-- Whoever goes by how far an index is looks whether that still holds.
grant select on ledger.fences to veritrail_read;
