//! Everything that the handlers share.

use sqlx::PgPool;

use crate::Config;

/// Cheap to clone; one for each process.
#[derive(Clone)]
pub struct State {
    pub(crate) pool: PgPool,
}

impl State {
    /// Migrates, connects, and makes the first signing key where there is none.
    pub async fn start(config: Config) -> anyhow::Result<State> {
        crate::migrate(&config.database_url).await?;
        let pool =
            crate::database::connect(&config.database_url, config.database_connections).await?;
        Ok(State { pool })
    }
}
