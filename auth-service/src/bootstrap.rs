//! The first operator, tenant, admin and service account, from secrets that are already on the owner's disk. One transaction: all of it or nothing.

use anyhow::{Context, bail};
use service::{Role, Scopes};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::change::role_names;
use crate::error::Error;
use crate::hashing::{Hasher, Payer};
use crate::outbox::{
    self,
    act::{Act, Actor},
};
use crate::rules::Faults;
use crate::service_accounts::create::NewAccount;
use crate::service_accounts::{AccountRole, api_keys};
use crate::tenants::create::{created, insert_tenant};
use crate::users::accept::first_admin;
use crate::users::create::{NewUser, insert};
use crate::{Config, Credentials, database, service_accounts, state};

/// Serialises bootstraps of one database.
const LOCK: i64 = 0x7665_7269_6175_7468;

/// Whether the database has an operator: then there is nothing to bootstrap, whatever became of the credentials file. Migrates first.
pub async fn bootstrapped(config: &Config) -> anyhow::Result<bool> {
    database::migrate(&config.database_url).await?;
    let pool = database::connect(&config.database_url, 1).await?;
    let mut connection = pool.acquire().await?;
    has_operator(&mut connection).await
}

/// Creates operator, tenant, admin and service account with the secrets that the caller has made durable before. Idempotent: true when it created something.
/// Migrates first. Credentials other than those of the first call change nothing and are refused.
pub async fn bootstrap(config: &Config, credentials: &Credentials) -> anyhow::Result<bool> {
    check(credentials)?;
    database::migrate(&config.database_url).await?;
    let pool = database::connect(&config.database_url, 2).await?;
    let mut tx = pool.begin().await?;
    sqlx::query!("select pg_advisory_xact_lock($1)", LOCK)
        .execute(&mut *tx)
        .await?;
    if is_known(&mut tx, credentials).await? {
        return Ok(false);
    }
    if has_operator(&mut tx).await? {
        bail!("the database was set up with other credentials");
    }
    let hasher = state::hasher(config)?;
    create(&mut tx, &hasher, credentials)
        .await
        .map_err(|error| anyhow::anyhow!("{}", error.0))
        .context("cannot create the first accounts")?;
    tx.commit().await?;
    Ok(true)
}

fn check(credentials: &Credentials) -> anyhow::Result<()> {
    let mut faults = Faults::default();
    faults.code("/tenant", &credentials.tenant);
    let logins = [
        ("operator", &credentials.operator),
        ("admin", &credentials.admin),
    ];
    for (name, login) in logins {
        faults.username(&format!("/{name}/username"), &login.username);
        faults.password(
            &format!("/{name}/password"),
            &login.password,
            &[&login.username],
        );
    }
    match faults.finish() {
        Err(service::ApiError::Invalid(places)) => {
            bail!("the credentials cannot be used: {places:?}")
        }
        _ => Ok(()),
    }
}

async fn is_known(
    connection: &mut PgConnection,
    credentials: &Credentials,
) -> anyhow::Result<bool> {
    let known = sqlx::query_scalar!(
        r#"select exists (select from auth.service_accounts where id = $1) as "known!""#,
        credentials.service.client_id,
    )
    .fetch_one(connection)
    .await?;
    Ok(known)
}

async fn has_operator(connection: &mut PgConnection) -> anyhow::Result<bool> {
    let exists = sqlx::query_scalar!(
        r#"select exists (select from auth.users where tenant_id is null) as "exists!""#,
    )
    .fetch_one(connection)
    .await?;
    Ok(exists)
}

async fn create(
    connection: &mut PgConnection,
    hasher: &Hasher,
    credentials: &Credentials,
) -> Result<(), Error> {
    let nobody = Payer::default();
    let operator_hash = hasher
        .hash(&nobody, credentials.operator.password.clone())
        .await?;
    sqlx::query!(
        "insert into auth.users (id, tenant_id, username, roles, status, password_hash)
         values ($1, null, $2, $3, 'active', $4)",
        Uuid::now_v7(),
        credentials.operator.username,
        &role_names(Role::Operator.into()),
        operator_hash,
    )
    .execute(&mut *connection)
    .await?;
    let tenant = Uuid::now_v7();
    insert_tenant(connection, tenant, &credentials.tenant, &credentials.tenant).await?;
    let admin = NewUser {
        id: Uuid::now_v7(),
        username: credentials.admin.username.clone(),
        email: None,
        name: None,
        roles: Role::Admin.into(),
    };
    let admin_hash = hasher
        .hash(&nobody, credentials.admin.password.clone())
        .await?;
    insert(connection, tenant, &admin, Some(&admin_hash)).await?;
    first_admin(connection, tenant).await?;
    let scopes = Scopes::everything().to_string();
    let account = NewAccount {
        id: credentials.service.client_id,
        name: "default",
        role: AccountRole::Writer,
        scopes: &scopes,
    };
    service_accounts::create::insert(connection, tenant, &account).await?;
    for (name, key) in [
        ("client_secret", &credentials.service.client_secret),
        ("api_key", &credentials.service.api_key),
    ] {
        api_keys::insert(
            connection,
            tenant,
            account.id,
            Uuid::now_v7(),
            name,
            key,
            None,
        )
        .await?;
    }
    let actor = Actor::service();
    let invited = Act::new("user.created", "create", &actor)
        .target("user", admin.id, Some(&admin.username))
        .metadata(serde_json::json!({"roles": admin.roles}));
    for act in [
        created(&actor, tenant, &credentials.tenant),
        invited,
        account.created(&actor),
    ] {
        outbox::write(connection, tenant, &act).await?;
    }
    Ok(())
}
