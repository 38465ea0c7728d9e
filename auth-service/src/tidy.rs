//! What runs out is removed, failures of minutes that are over are told, and what waits in the outbox is counted. Every replica does this; none needs another not to.

use std::time::Duration;

use service::Shutdown;
use time::OffsetDateTime;

use crate::State;

impl State {
    /// Removes what has run out.
    pub async fn tidy(&self) -> anyhow::Result<()> {
        sqlx::query!("delete from auth.login_delays where until < now() - interval '1 minute'")
            .execute(self.pool())
            .await?;
        sqlx::query!("delete from auth.invites where expires_at < now() - interval '1 day'")
            .execute(self.pool())
            .await?;
        sqlx::query!(
            "delete from auth.refresh_families where expires_at < now() - interval '1 day'"
        )
        .execute(self.pool())
        .await?;
        sqlx::query!("delete from auth.known_addresses where seen_at < now() - interval '90 days'")
            .execute(self.pool())
            .await?;
        self.gauge_outbox().await
    }

    async fn gauge_outbox(&self) -> anyhow::Result<()> {
        let owed = sqlx::query!(
            r#"select count(*) filter (where parked_at is null) as "waiting!",
                      count(*) filter (where parked_at is not null) as "parked!"
               from auth.outbox"#,
        )
        .fetch_one(self.pool())
        .await?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge; counts stay far below 2^52"
        )]
        for (state, count) in [("waiting", owed.waiting), ("parked", owed.parked)] {
            metrics::gauge!("auth_outbox_entries", "state" => state).set(count as f64);
        }
        Ok(())
    }
}

pub(crate) async fn follow(state: &State, shutdown: &Shutdown) {
    tokio::join!(
        crate::state::each(Duration::from_mins(1), shutdown, "tidying", || state.tidy()),
        crate::state::each(
            Duration::from_secs(5),
            shutdown,
            "failed logins",
            || async {
                state.report_failures(OffsetDateTime::now_utc()).await?;
                Ok(())
            }
        ),
    );
}
