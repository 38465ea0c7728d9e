-- A reader recomputes genesis hashes, which contain the installation's name: whoever only reads has to
-- know that he was started with the right one, before he calls a chain damaged.
grant select on ledger.installation to veritrail_read;
