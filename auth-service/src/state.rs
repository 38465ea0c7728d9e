//! Everything that the handlers share, made once at the start.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::FromRef;
use secrecy::SecretString;
use service::access::AUTH_AUDIENCE;
use service::exchange::Source;
use service::status::Feed;
use service::{Access, Shutdown};
use sqlx::{PgPool, Postgres, Transaction};
use tokio::sync::{Mutex, Notify};
use url::Url;
use uuid::Uuid;

use crate::hashing::Hasher;
use crate::keys::{Algorithm, Keys};
use crate::secret::Secret;
use crate::{Config, database, tokens};

/// What one process of auth-service holds. Clones share it.
#[derive(Clone)]
pub struct State(Arc<Inner>);

struct Inner {
    config: Config,
    issuer: String,
    log_entries_url: Url,
    pool: PgPool,
    secret: Secret,
    internal_secret: SecretString,
    hasher: Hasher,
    keys: Keys,
    feed: Feed,
    access: Access,
    http: reqwest::Client,
    replica: Uuid,
    written: Notify,
    refreshing: Mutex<()>,
}

impl State {
    /// Migrates, connects, and makes the first signing key where there is none.
    pub async fn start(config: Config) -> anyhow::Result<State> {
        let (secret, internal_secret) = config.secrets()?;
        database::migrate(&config.database_url).await?;
        let pool = database::connect(&config.database_url, config.database_connections).await?;
        let keys = Keys::start(&pool, &secret, config.signing_algorithm).await?;
        let feed = Feed::new();
        let issuer = config.issuer.clone();
        Url::parse(&issuer).context("ISSUER is not a URL")?;
        let exchange = {
            let (pool, keys, issuer) = (pool.clone(), keys.clone(), issuer.clone());
            Source::local(move |key| {
                let (pool, keys, issuer) = (pool.clone(), keys.clone(), issuer.clone());
                Box::pin(async move { tokens::exchange::bearer(&pool, &keys, &issuer, key).await })
            })
        };
        let access = Access::local(
            issuer.clone(),
            AUTH_AUDIENCE,
            keys.published(),
            feed.clone(),
            exchange,
        );
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(10))
            .build()
            .context("cannot make an HTTP client")?;
        let state = State(Arc::new(Inner {
            hasher: hasher(&config)?,
            log_entries_url: entries_url(&config.log_url)?,
            issuer,
            pool,
            secret,
            internal_secret,
            keys,
            feed,
            access,
            http,
            replica: Uuid::now_v7(),
            written: Notify::new(),
            refreshing: Mutex::new(()),
            config,
        }));
        state.refresh_status().await?;
        Ok(state)
    }

    /// Passwords hashed since the start, to see that refusals cost the same.
    pub fn passwords_hashed(&self) -> u64 {
        self.0.hasher.hashed()
    }

    /// Whether the database answers.
    pub async fn check_database(&self) -> anyhow::Result<()> {
        sqlx::query_scalar!(r#"select 1 as "one!""#)
            .fetch_one(&self.0.pool)
            .await
            .context("the database does not answer")?;
        Ok(())
    }

    /// What verifies callers here, for a health page beside these routes.
    pub fn access(&self) -> &Access {
        &self.0.access
    }

    /// Begins a transaction. In a task of its own: a `begin` that is dropped before its reply, by a client that gave up, would put its
    /// connection back inside the transaction, and what somebody else does on it next would be lost. The task goes on to the reply, and
    /// dropping what it then holds rolls back.
    pub(crate) async fn transaction(&self) -> sqlx::Result<Transaction<'static, Postgres>> {
        let pool = self.0.pool.clone();
        let begin = tokio::spawn(async move { pool.begin().await });
        begin.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// Commits, and wakes the delivery of what was written to the outbox.
    pub(crate) async fn commit(&self, tx: Transaction<'static, Postgres>) -> sqlx::Result<()> {
        tx.commit().await?;
        self.0.written.notify_one();
        Ok(())
    }

    /// Returns when something was committed here since the last call. Cancel-safe.
    pub(crate) async fn written(&self) {
        self.0.written.notified().await;
    }

    /// Takes a change of status to this process's own checks without waiting for the next tick. One at a time, so that an older answer never replaces a newer one.
    pub async fn refresh_status(&self) -> anyhow::Result<()> {
        let _turn = self.0.refreshing.lock().await;
        let set = crate::status::read(&self.0.pool).await?.set();
        let keys_revoked = self.0.keys.have_any(&set.signing_keys);
        self.0.feed.replace(set);
        // What must not be published any more must not sign either, and what took its place does.
        if keys_revoked {
            self.reload_keys().await?;
        }
        Ok(())
    }

    /// After a committed change, so it cannot fail: what this process misses now comes with the next tick.
    pub(crate) async fn status_changed(&self) {
        if let Err(error) = self.refresh_status().await {
            let error = format!("{error:#}");
            tracing::warn!(error, "a change of status waits for the next tick");
        }
    }

    /// Takes over the signing keys that other replicas made.
    pub async fn reload_keys(&self) -> anyhow::Result<()> {
        self.0.keys.reload(&self.0.pool).await
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.0.secret
    }

    pub(crate) fn internal_secret(&self) -> &SecretString {
        &self.0.internal_secret
    }

    pub(crate) fn hasher(&self) -> &Hasher {
        &self.0.hasher
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.0.issuer
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.0.http
    }

    pub(crate) fn log_entries_url(&self) -> Url {
        self.0.log_entries_url.clone()
    }

    pub(crate) fn replica(&self) -> Uuid {
        self.0.replica
    }

    pub(crate) fn signing_algorithm(&self) -> Algorithm {
        self.0.config.signing_algorithm
    }

    pub(crate) fn key_lead(&self) -> u32 {
        self.0.config.key_lead_seconds
    }

    pub(crate) fn trusted_proxies(&self) -> &[IpAddr] {
        &self.0.config.trusted_proxies
    }

    pub(crate) fn invite_url(&self) -> Option<&Url> {
        self.0.config.invite_url.as_ref()
    }
}

impl FromRef<State> for Access {
    fn from_ref(state: &State) -> Access {
        state.0.access.clone()
    }
}

pub(crate) fn hasher(config: &Config) -> anyhow::Result<Hasher> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = config.password_threads.unwrap_or(cores / 2).max(1);
    Hasher::new(config.password_memory_kib, threads, config.password_queue)
}

fn entries_url(log_url: &Url) -> anyhow::Result<Url> {
    let base = log_url.as_str().trim_end_matches('/');
    Url::parse(&format!("{base}/api/v1/logs")).context("LOG_URL")
}

/// What runs beside the routes until `shutdown`: reloading keys and status, delivering the outbox, tidying.
pub async fn run(state: State, shutdown: Shutdown) {
    tokio::join!(
        crate::outbox::deliver::follow(&state, &shutdown),
        crate::tidy::follow(&state, &shutdown),
        each(Duration::from_secs(1), &shutdown, "status", || state
            .refresh_status()),
        each(Duration::from_secs(5), &shutdown, "signing keys", || state
            .reload_keys()),
    );
}

/// Repeats until `shutdown`; a failure is logged, and the next turn tries again.
pub(crate) async fn each<F, Fut>(period: Duration, shutdown: &Shutdown, what: &str, work: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = work().await {
            tracing::warn!(what, error = format!("{error:#}"), "cannot refresh");
        }
    }
}
