//! The signals that ask a program to end.

use tokio::signal::unix::{SignalKind, signal};

/// Ends with the first SIGHUP, SIGINT or SIGTERM. They are watched for from the call on. Needs a runtime.
pub fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = hangup.recv() => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
