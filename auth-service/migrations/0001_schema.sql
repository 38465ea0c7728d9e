-- Tenants, people, machines, keys, and what is owed to the tenants' `system` partitions.
-- Every table of a tenant starts with tenant_id, and every statement of the service filters on it first.

-- Codes name chains for ever, so a tenant is never deleted and its code never changes or returns.
create table auth.tenants (
    id uuid primary key,
    code text not null constraint tenants_code_key unique
        constraint tenants_code_rule check (code ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(code) between 3 and 15),
    name text not null,
    status text not null default 'active' check (status in ('active', 'suspended', 'archived')),
    -- Whether people may register themselves; in `approval` an admin lets each of them in.
    registration text not null default 'closed' check (registration in ('closed', 'approval', 'open')),
    -- E-mail domains that may register; empty: any.
    registration_domains text[] not null default '{}',
    -- Whether log-service takes ids that look like e-mail addresses.
    personal_ids boolean not null default false,
    access_token_seconds integer not null default 900 check (access_token_seconds between 60 and 3600),
    refresh_token_seconds integer not null default 1209600 check (refresh_token_seconds between 3600 and 7776000),
    -- Set once: from then on operators make and reset users only by break-glass.
    first_admin_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create function auth.refuse_tenant_loss() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.id = old.id and new.code = old.code then
        return new;
    end if;
    raise exception 'a tenant keeps its id and code and is never deleted';
end
$$;

create trigger tenants_stay before update or delete on auth.tenants
    for each row execute function auth.refuse_tenant_loss();

-- tenant_id null: an operator, who belongs to no tenant.
-- Names and addresses are ASCII, so that lower() in the C collation folds them alike on every server.
create table auth.users (
    id uuid primary key,
    tenant_id uuid references auth.tenants,
    username text not null,
    email text,
    name text,
    roles text[] not null,
    -- invited: has no password yet; pending: registered and waits for an admin.
    status text not null check (status in ('invited', 'pending', 'active', 'deactivated')),
    -- PHC string of argon2id.
    password_hash text,
    -- Tokens issued before this second are refused; whole seconds, like `iat`.
    not_before timestamptz,
    deactivated_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint users_operator_rule check ((tenant_id is null) = (roles = '{operator}')),
    constraint users_roles_rule check (roles <> '{}' and roles <@ '{operator,admin,auditor,viewer,writer}'),
    constraint users_tenant_id_id_key unique (tenant_id, id)
);

create unique index users_username_key on auth.users (tenant_id, lower(username collate "C")) nulls not distinct;
create unique index users_email_key on auth.users (tenant_id, lower(email collate "C")) nulls not distinct
    where email is not null;
-- The status feed asks for recent ones only: no token outlives an hour.
create index users_not_before on auth.users (not_before) where not_before is not null;
create index users_deactivated on auth.users (deactivated_at) where deactivated_at is not null;

-- One-time links with which somebody sets a password. One per user: a new one replaces the old.
create table auth.invites (
    tenant_id uuid not null references auth.tenants,
    user_id uuid not null,
    token_sha256 bytea not null constraint invites_token_key unique,
    -- Ends when the tenant's first admin accepts, unless break-glass stands behind it.
    by_operator boolean not null,
    expires_at timestamptz not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, user_id),
    foreign key (tenant_id, user_id) references auth.users (tenant_id, id)
);

-- One row per sign-in. The refresh token of step n is derived from seed, n and the installation's secret, and is stored nowhere.
create table auth.refresh_families (
    id uuid primary key,
    tenant_id uuid references auth.tenants,
    user_id uuid not null references auth.users,
    seed bytea not null check (octet_length(seed) = 16),
    step integer not null default 0,
    stepped_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz,
    created_at timestamptz not null default now()
);

create index refresh_families_user on auth.refresh_families (user_id);
create index refresh_families_expires on auth.refresh_families (expires_at);

create table auth.service_accounts (
    id uuid primary key,
    tenant_id uuid not null references auth.tenants,
    name text not null,
    role text not null check (role in ('writer', 'auditor', 'viewer')),
    -- Space-separated as in a token.
    scopes text not null,
    not_before timestamptz,
    deactivated_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint service_accounts_tenant_id_id_key unique (tenant_id, id)
);

create unique index service_accounts_name_key on auth.service_accounts (tenant_id, lower(name collate "C"));
create index service_accounts_not_before on auth.service_accounts (not_before) where not_before is not null;
create index service_accounts_deactivated on auth.service_accounts (deactivated_at) where deactivated_at is not null;

-- A key is 32 random bytes, so a plain SHA-256 of it is safe to keep.
create table auth.api_keys (
    id uuid primary key,
    tenant_id uuid not null references auth.tenants,
    service_account_id uuid not null,
    name text not null,
    secret_sha256 bytea not null constraint api_keys_secret_key unique,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz not null default now(),
    foreign key (tenant_id, service_account_id) references auth.service_accounts (tenant_id, id)
);

create index api_keys_account on auth.api_keys (tenant_id, service_account_id, id);
create index api_keys_revoked on auth.api_keys (revoked_at) where revoked_at is not null;

-- The key that signs is the one with the latest signs_from that has come; a key stays published for as long as a token of it may live.
create table auth.signing_keys (
    kid text primary key,
    algorithm text not null check (algorithm in ('EdDSA', 'RS256')),
    -- JSON Web Key (RFC 7517).
    public_key text not null,
    -- PKCS #8 under AES-256-GCM: nonce, then cipher text; kid authenticated with it.
    private_key bytea not null,
    signs_from timestamptz not null,
    created_at timestamptz not null default now()
);

-- What is owed to the `system` partitions, in order per tenant. A number is taken under the head's row lock,
-- so numbers are in commit order and have no gaps.
create table auth.outbox_heads (
    tenant_id uuid primary key references auth.tenants,
    size bigint not null default 0
);

create table auth.outbox (
    tenant_id uuid not null references auth.tenants,
    number bigint not null,
    -- The entry's id: posting it twice changes nothing.
    id uuid not null,
    -- The posted JSON, the same bytes each time.
    entry text not null,
    created_at timestamptz not null default now(),
    -- Refused by log-service: kept and counted, and the ones behind it go on.
    parked_at timestamptz,
    parked_reason text,
    primary key (tenant_id, number)
);

create index outbox_waiting on auth.outbox (tenant_id, number) where parked_at is null;
create index outbox_parked on auth.outbox (tenant_id, number) where parked_at is not null;

-- Who delivers a tenant's entries now, and when a failed delivery is tried again.
create table auth.outbox_leases (
    tenant_id uuid primary key references auth.tenants,
    holder uuid not null,
    until timestamptz not null,
    failures integer not null default 0,
    retry_at timestamptz not null default now()
);

-- An operator's way into a tenant that has an admin. Granted when its entry has arrived in the tenant's `system` partition, good for one use.
create table auth.break_glass (
    id uuid primary key,
    tenant_id uuid not null references auth.tenants,
    operator_id uuid not null references auth.users,
    reason text not null,
    -- Of the entry that tells the tenant.
    entry_id uuid not null constraint break_glass_entry_key unique,
    granted_at timestamptz,
    expires_at timestamptz,
    used_at timestamptz,
    created_at timestamptz not null default now()
);

create index break_glass_tenant on auth.break_glass (tenant_id, id);

-- Generic cell rate: `until` moves ahead by the cost of each attempt, and an attempt waits while it is too far ahead.
-- Keys are MACs of an account's or an address's name, since names nobody has are never stored.
create table auth.login_delays (
    key bytea primary key,
    until timestamptz not null
);

create index login_delays_until on auth.login_delays (until);

-- Failed logins of the running minute, per account and address. Names that no account has are counted alike, so that both take the same time,
-- and dropped when the minute is over.
create table auth.login_failures (
    account bytea not null,
    address text not null,
    minute timestamptz not null,
    tenant_id uuid references auth.tenants,
    user_id uuid references auth.users,
    user_agent text,
    count integer not null default 1,
    primary key (account, address, minute)
);

create index login_failures_minute on auth.login_failures (minute);

-- Addresses from which an account has signed in: others' failures do not delay it there.
create table auth.known_addresses (
    user_id uuid not null references auth.users,
    address bytea not null,
    seen_at timestamptz not null default now(),
    primary key (user_id, address)
);
