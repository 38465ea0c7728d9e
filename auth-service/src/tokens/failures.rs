//! Failed logins: counted per account, address and minute, and told to the tenant as one entry when the minute is over.
//! Never records a name that no account has; it is counted alike until then, so that both take the same time.

use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::State;
use crate::client::Client;
use crate::outbox::{
    self,
    act::{Act, Actor},
};

/// Counts one failure: by the account, `user` with tenant and id, or by what was `typed` where nobody has that name.
pub(crate) async fn count(
    pool: &PgPool,
    typed: &[u8],
    user: Option<(Option<Uuid>, Uuid)>,
    client: &Client,
) -> sqlx::Result<()> {
    let (tenant, user) = user.map_or((None, None), |(tenant, user)| (tenant, Some(user)));
    let account = user.as_ref().map_or(typed, |user| user.as_bytes());
    let address = client.address.map(|address| address.to_string());
    metrics::counter!("auth_logins_failed_total").increment(1);
    if user.is_some() && tenant.is_none() {
        // No tenant's trail tells of it.
        tracing::warn!(operator = ?user, "failed login of an operator");
    }
    sqlx::query!(
        "insert into auth.login_failures as f (account, address, minute, tenant_id, user_id, user_agent)
         values ($1, $2, date_trunc('minute', now()), $3, $4, $5)
         on conflict (account, address, minute) do update set count = f.count + 1",
        account,
        address.unwrap_or_default(),
        tenant,
        user,
        client.user_agent,
    )
    .execute(pool)
    .await?;
    Ok(())
}

struct Failures {
    account: Vec<u8>,
    address: String,
    minute: OffsetDateTime,
    tenant_id: Option<Uuid>,
    user_id: Option<Uuid>,
    user_agent: Option<String>,
    count: i32,
}

impl State {
    /// Turns the failures of minutes before `before` into entries: each row goes and its entry comes in one transaction.
    pub async fn report_failures(&self, before: OffsetDateTime) -> anyhow::Result<usize> {
        let mut reported = 0;
        loop {
            let mut tx = self.transaction().await?;
            let row = sqlx::query_as!(
                Failures,
                "select account, address, minute, tenant_id, user_id, user_agent, count
                 from auth.login_failures where minute < date_trunc('minute', $1::timestamptz)
                 order by minute limit 1 for update skip locked",
                before,
            )
            .fetch_optional(&mut *tx)
            .await?;
            let Some(row) = row else { return Ok(reported) };
            sqlx::query!(
                "delete from auth.login_failures where account = $1 and address = $2 and minute = $3",
                row.account,
                row.address,
                row.minute,
            )
            .execute(&mut *tx)
            .await?;
            if let Some((tenant, user)) = row.tenant_id.zip(row.user_id) {
                outbox::write(&mut tx, tenant, &row.act(user)).await?;
                reported += 1;
            }
            self.commit(tx).await?;
        }
    }
}

impl Failures {
    fn act(&self, user: Uuid) -> Act {
        let address = (!self.address.is_empty()).then_some(&*self.address);
        Act::new("auth.login.failed", "create", &Actor::anonymous())
            .at(self.minute)
            .failed("invalid_credentials")
            .severity("warning")
            .target("user", user, None)
            .metadata(serde_json::json!({"count": self.count, "seconds": 60}))
            .context(address, self.user_agent.as_deref())
    }
}
