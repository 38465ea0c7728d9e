//! How often something may be done: the generic cell rate algorithm in the database, so that replicas and simultaneous attempts share one limit.
//! Stores no names: keys are MACs. Never decides what a refusal means.
//!
//! Each use moves its key's time ahead by a fixed cost; a use is let in while that time is less than a burst ahead of now.
//! One statement decides and charges.

use std::time::Duration;

use service::ApiError;
use sqlx::PgPool;

use crate::error::Result;

pub(crate) struct Rate {
    /// Seconds that one use costs.
    pub(crate) cost: f64,
    /// Uses in a row before the first wait.
    pub(crate) burst: f64,
}

impl Rate {
    /// Lets a use in and charges it, or 429 with the seconds to wait.
    pub(crate) async fn charge(&self, pool: &PgPool, key: &[u8]) -> Result<()> {
        let charged = sqlx::query!(
            "insert into auth.login_delays as d (key, until)
             values ($1, clock_timestamp() + make_interval(secs => $2))
             on conflict (key) do update
             set until = greatest(d.until, clock_timestamp()) + make_interval(secs => $2)
             where d.until <= clock_timestamp() + make_interval(secs => $3)",
            key,
            self.cost,
            self.ahead(),
        )
        .execute(pool)
        .await?;
        if charged.rows_affected() == 1 {
            return Ok(());
        }
        let wait = sqlx::query_scalar!(
            r#"select extract(epoch from until - clock_timestamp())::float8 as "wait!"
               from auth.login_delays where key = $1"#,
            key,
        )
        .fetch_optional(pool)
        .await?
        .unwrap_or(0.0);
        let seconds = (wait - self.ahead()).clamp(1.0, self.cost.max(1.0));
        Err(ApiError::TooMany {
            retry_after: Duration::from_secs_f64(seconds.ceil()),
        }
        .into())
    }

    /// Takes one charge back.
    pub(crate) async fn refund(&self, pool: &PgPool, key: &[u8]) -> Result<()> {
        sqlx::query!(
            "update auth.login_delays set until = until - make_interval(secs => $2) where key = $1",
            key,
            self.cost,
        )
        .execute(pool)
        .await?;
        Ok(())
    }

    /// As if the key had never been used.
    pub(crate) async fn forget(pool: &PgPool, key: &[u8]) -> Result<()> {
        sqlx::query!("delete from auth.login_delays where key = $1", key)
            .execute(pool)
            .await?;
        Ok(())
    }

    /// How far a key's time may be ahead of now for one more use.
    fn ahead(&self) -> f64 {
        self.cost * (self.burst - 1.0)
    }
}
