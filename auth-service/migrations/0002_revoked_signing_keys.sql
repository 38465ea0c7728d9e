-- Signing keys that were taken back. The key's row in auth.signing_keys is deleted with it, so that a process of the version before,
-- which does not know this table, stops signing and publishing it too. What stands here is in the status feed for ever: they are few,
-- and a key that somebody else has must never be believed again.
create table auth.revoked_signing_keys (
    kid text primary key,
    reason text,
    revoked_at timestamptz not null default now()
);
