//! Waking receivers when something was sent. Never the only way to learn of it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::task::JoinHandle;

/// Between two attempts to listen; receivers poll meanwhile.
const PAUSE: Duration = Duration::from_secs(5);

/// Listens from the first receive on, so that senders hold no connection for it.
pub(super) struct Wake {
    channel: String,
    pool: PgPool,
    notify: Arc<Notify>,
    listening: OnceLock<JoinHandle<()>>,
}

impl Wake {
    pub(super) fn new(pool: PgPool, queue: &str) -> Self {
        Self {
            channel: format!("queue.{queue}"),
            pool,
            notify: Arc::default(),
            listening: OnceLock::new(),
        }
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    pub(super) fn woken(&self) -> Notified<'_> {
        self.listening.get_or_init(|| {
            let (pool, channel) = (self.pool.clone(), self.channel.clone());
            tokio::spawn(listen(pool, channel, Arc::clone(&self.notify)))
        });
        self.notify.notified()
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.get() {
            listening.abort();
        }
    }
}

async fn listen(pool: PgPool, channel: String, notify: Arc<Notify>) {
    loop {
        if let Err(error) = pass_on(&pool, &channel, &notify).await {
            tracing::debug!(channel, %error, "not listening: receivers poll");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn pass_on(pool: &PgPool, channel: &str, notify: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(channel).await?;
    // Something may have been sent before the first notice could come.
    notify.notify_waiters();
    while listener.try_recv().await?.is_some() {
        notify.notify_waiters();
    }
    Ok(())
}
