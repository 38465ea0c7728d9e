//! What the status feed says about a verified caller, and the extractors that ask it.

use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::Method;
use axum::http::request::Parts;

use super::Access;
use crate::caller::{Caller, Kind};
use crate::error::ApiError;
use crate::status::{StatusSet, TenantStatus};

/// Oldest status feed on which anything but an append is answered.
pub(super) const STALE_AFTER: Duration = Duration::from_secs(5);
/// Oldest status feed on which appends go on: losing audit entries is the greater harm.
const APPEND_GRACE: Duration = Duration::from_mins(1);
impl Access {
    /// The status feed's word on a read, now: 503 `status_stale` when the feed is older than 5 s,
    /// 403 `tenant_suspended`, 401 for a disabled principal or key. The extractor has asked this
    /// already; streams and long answers ask again.
    pub fn admit_read(&self, caller: &Caller) -> Result<(), ApiError> {
        self.admit(caller, STALE_AFTER, false)
    }

    /// A reader whose credential came another way than in a header (in a message, say): what
    /// [`Caller`] as an extractor does on GET.
    pub async fn admit_reader(&self, credential: &str) -> Result<Caller, ApiError> {
        let caller = self.authenticate_bearer(credential).await?;
        crate::request::identify(&caller);
        self.admit_read(&caller)?;
        Ok(caller)
    }

    /// The same for an append: also 403 `tenant_archived`; a feed is good for 60 s.
    pub fn admit_write(&self, caller: &Caller) -> Result<(), ApiError> {
        self.admit(caller, APPEND_GRACE, true)
    }

    /// The same for a change (users, partitions, settings): also 403 `tenant_archived`; a feed is
    /// good for 5 s.
    pub fn admit_change(&self, caller: &Caller) -> Result<(), ApiError> {
        self.admit(caller, STALE_AFTER, true)
    }

    /// [`Access::admit_write`] as the ledger's lane asks it a second time, right before linking.
    pub fn admit_append(&self, caller: &Caller) -> bool {
        self.admit_write(caller).is_ok()
    }

    /// Whether the caller's tenant takes ids that look like e-mail addresses.
    pub fn takes_personal_ids(&self, caller: &Caller) -> bool {
        let (set, _) = self.inner.feed.read();
        let tenant = caller.tenant.as_ref();
        let settings = tenant.and_then(|tenant| set.settings.get(&tenant.id));
        settings.is_some_and(|settings| settings.personal_ids)
    }

    /// Whether the status feed has cut off what this was issued as; a new token may be good.
    pub(super) fn is_outdated(&self, caller: &Caller) -> bool {
        let (set, _) = self.inner.feed.read();
        is_outdated(caller, &set)
    }

    fn admit(&self, caller: &Caller, good_for: Duration, writes: bool) -> Result<(), ApiError> {
        let (set, age) = self.inner.feed.read();
        if age.is_none_or(|age| age > good_for) {
            return Err(ApiError::Unavailable {
                code: "status_stale",
                retry_after: Duration::from_secs(2),
                source: None,
            });
        }
        let principal = &caller.principal;
        let revoked = set.principals.contains(&principal.id)
            || caller.key.is_some_and(|key| set.keys.contains(&key))
            || is_outdated(caller, &set);
        if revoked {
            let code = "credential_revoked";
            return Err(ApiError::Unauthorized { code });
        }
        // What happened to a suspended tenant must still get into its trail.
        let tenant = caller.tenant.as_ref();
        let tenant = tenant.filter(|_| principal.kind != Kind::System);
        match tenant.and_then(|tenant| set.tenants.get(&tenant.id)) {
            Some(TenantStatus::Suspended) => {
                let code = "tenant_suspended";
                Err(ApiError::Forbidden { code })
            }
            Some(TenantStatus::Archived) if writes => {
                let code = "tenant_archived";
                Err(ApiError::Forbidden { code })
            }
            _ => Ok(()),
        }
    }
}

/// Issued before the principal's last revocation, or signed with a key that was revoked.
fn is_outdated(caller: &Caller, set: &StatusSet) -> bool {
    let start = set.not_before.get(&caller.principal.id);
    start.is_some_and(|start| caller.issued_at < *start)
        || set.signing_keys.contains(&*caller.signed_by)
}

/// The caller of a route that appends: where [`Caller`] as an extractor asks for
/// [`Access::admit_read`] on GET and HEAD and [`Access::admit_change`] on every other method, this
/// asks for [`Access::admit_write`], so that appends outlive a silent auth-service.
#[derive(Debug, Clone)]
pub struct Appender(pub Caller);

impl<S> FromRequestParts<S> for Appender
where
    Access: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let access = Access::from_ref(state);
        let caller = access.identify(&parts.headers).await?;
        access.admit_write(&caller)?;
        Ok(Self(caller))
    }
}

impl<S> FromRequestParts<S> for Caller
where
    Access: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let access = Access::from_ref(state);
        let caller = access.identify(&parts.headers).await?;
        if parts.method == Method::GET || parts.method == Method::HEAD {
            access.admit_read(&caller)?;
        } else {
            access.admit_change(&caller)?;
        }
        Ok(caller)
    }
}
