//! Graceful stop: one token that everything watches, and the signals that pull it.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Asks everything that holds a clone to finish. Clones share one fate.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    /// Also pulled by the first SIGINT or SIGTERM; a second one ends the process at once, with
    /// exit code 130. Needs a runtime.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::new();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let pulled = shutdown.clone();
        tokio::spawn(async move {
            let mut any = async || {
                tokio::select! {
                    _ = interrupt.recv() => "SIGINT",
                    _ = terminate.recv() => "SIGTERM",
                }
            };
            let name = any().await;
            tracing::info!(signal = name, "stopping");
            pulled.begin();
            let name = any().await;
            tracing::warn!(signal = name, "stopped without finishing");
            std::process::exit(130);
        });
        Ok(shutdown)
    }

    /// Asks everything to stop.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Whether stopping was asked for.
    pub fn begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns once stopping was asked for. Cancel-safe.
    pub async fn wait(&self) {
        self.0.cancelled().await;
    }
}
