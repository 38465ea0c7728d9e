//! `PATCH /api/v1/tenants/{code}`: name, status and settings. What decides who gets in, or what of people is kept, is the tenant's own admins' alone.

use axum::extract;
use serde::{Deserialize, Serialize};
use service::extract::{Json, Path};
use service::{Caller, Permission};
use sqlx::PgConnection;

use super::{Registration, Status, Tenant};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::outbox::{
    self,
    act::{Act, Actor},
};
use crate::rules::{self, Faults};
use crate::{State, docs};

const MOST_DOMAINS: usize = 50;

/// Members left out stay as they are.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantPatch)]
pub(crate) struct Patch {
    #[schema(example = "Acme Europe")]
    name: Option<String>,
    /// Operators only.
    status: Option<Status>,
    settings: Option<SettingsPatch>,
}

#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantSettingsPatch)]
pub(crate) struct SettingsPatch {
    /// The tenant's admins only.
    registration: Option<Registration>,
    /// The tenant's admins only.
    registration_domains: Option<Vec<String>>,
    /// The tenant's admins only.
    personal_ids: Option<bool>,
    access_token_seconds: Option<i32>,
    refresh_token_seconds: Option<i32>,
}

/// Change a tenant
///
/// Operators change name, status and token lifetimes; the tenant's admins change name and settings.
#[utoipa::path(patch, path = "/api/v1/tenants/{code}", operation_id = "update_tenant", tag = "tenants", params(("code" = String, Path, example = "demo")), request_body = Patch,
    responses((status = 200, body = Tenant), docs::Denied, docs::Limited, docs::Missing, docs::Malformed), security(("bearer" = [])))]
pub(crate) async fn patch(
    caller: Caller,
    Path(code): Path<String>,
    extract::State(state): extract::State<State>,
    client: Client,
    Json(patch): Json<Patch>,
) -> Result<Json<Tenant>> {
    super::may_see(&caller, &code)?;
    let (permission, refused) = match &caller.tenant {
        None => (Permission::ManageTenants, patch.decides_access()),
        Some(_) => (Permission::ManageUsers, patch.status.is_some()),
    };
    let mut change = state.begin(&caller, permission).await?;
    if refused {
        return Err(Error::forbidden("forbidden"));
    }
    patch.check()?;
    let before = lock(&mut change.tx, &code).await?;
    let id = before.id;
    let act = patch.act(&change.actor, &before).from(&client);
    update(&mut change.tx, &before, patch).await?;
    if act.has_changes() {
        outbox::write(&mut change.tx, id, &act).await?;
    }
    let after = super::by_code(&mut *change.tx, &code).await?;
    state.commit(change.tx).await?;
    state.status_changed().await;
    Ok(Json(after))
}

/// The tenant as it is, and as nobody else changes it until the commit.
async fn lock(connection: &mut PgConnection, code: &str) -> Result<Tenant> {
    if rules::is_code(code) {
        sqlx::query_scalar!(
            "select id from auth.tenants where code = $1 for no key update",
            code
        )
        .fetch_optional(&mut *connection)
        .await?;
    }
    super::by_code(connection, code).await
}

async fn update(connection: &mut PgConnection, before: &Tenant, patch: Patch) -> sqlx::Result<()> {
    let settings = patch.settings.unwrap_or_default();
    sqlx::query!(
        "update auth.tenants set
            name = coalesce($2, name),
            status = coalesce($3, status),
            registration = coalesce($4, registration),
            registration_domains = coalesce($5, registration_domains),
            personal_ids = coalesce($6, personal_ids),
            access_token_seconds = coalesce($7, access_token_seconds),
            refresh_token_seconds = coalesce($8, refresh_token_seconds),
            updated_at = now()
         where id = $1",
        before.id,
        patch.name,
        patch.status.map(Status::as_str),
        settings.registration.map(Registration::as_str),
        settings.registration_domains.as_deref(),
        settings.personal_ids,
        settings.access_token_seconds,
        settings.refresh_token_seconds,
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl Patch {
    /// An operator who could open registration would let himself in.
    fn decides_access(&self) -> bool {
        self.settings.as_ref().is_some_and(|settings| {
            settings.registration.is_some()
                || settings.registration_domains.is_some()
                || settings.personal_ids.is_some()
        })
    }

    fn check(&self) -> Result<()> {
        let mut faults = Faults::default();
        if let Some(name) = &self.name {
            faults.text("/name", name, 200);
        }
        if let Some(settings) = &self.settings {
            settings.check(&mut faults);
        }
        Ok(faults.finish()?)
    }

    fn act(&self, actor: &Actor, before: &Tenant) -> Act {
        let old = &before.settings;
        let act = Act::new("tenant.updated", "update", actor).target(
            "tenant",
            before.id,
            Some(&before.code),
        );
        let act = compare(act, "name", &before.name, self.name.as_ref());
        let act = compare(act, "status", &before.status, self.status.as_ref());
        let Some(new) = &self.settings else {
            return act;
        };
        let act = compare(
            act,
            "settings.registration",
            &old.registration,
            new.registration.as_ref(),
        );
        let domains = (&old.registration_domains, new.registration_domains.as_ref());
        let act = compare(act, "settings.registration_domains", domains.0, domains.1);
        let act = compare(
            act,
            "settings.personal_ids",
            &old.personal_ids,
            new.personal_ids.as_ref(),
        );
        let access = (&old.access_token_seconds, new.access_token_seconds.as_ref());
        let act = compare(act, "settings.access_token_seconds", access.0, access.1);
        let refresh = (
            &old.refresh_token_seconds,
            new.refresh_token_seconds.as_ref(),
        );
        compare(act, "settings.refresh_token_seconds", refresh.0, refresh.1)
    }
}

fn compare<T: Serialize + PartialEq>(act: Act, field: &str, old: &T, new: Option<&T>) -> Act {
    act.changed(field, old, new.unwrap_or(old))
}

impl SettingsPatch {
    fn check(&self, faults: &mut Faults) {
        let domains = self.registration_domains.as_deref().unwrap_or_default();
        if domains.len() > MOST_DOMAINS {
            faults.add(
                "/settings/registration_domains",
                "must have at most 50 domains",
            );
        }
        for (index, domain) in domains.iter().enumerate() {
            let lower = !domain.bytes().any(|byte| byte.is_ascii_uppercase());
            if !rules::is_domain(domain) || !lower {
                let place = format!("/settings/registration_domains/{index}");
                faults.add(&place, "must be a domain in lower case");
            }
        }
        let access = self.access_token_seconds;
        if access.is_some_and(|seconds| !(60..=3600).contains(&seconds)) {
            faults.add("/settings/access_token_seconds", "must be 60 to 3600");
        }
        let refresh = self.refresh_token_seconds;
        if refresh.is_some_and(|seconds| !(3600..=7_776_000).contains(&seconds)) {
            faults.add("/settings/refresh_token_seconds", "must be 3600 to 7776000");
        }
    }
}
