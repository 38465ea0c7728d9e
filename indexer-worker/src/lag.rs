//! How far searches are behind the ledger, as metrics: of all chains, as of this worker's last look.

use std::time::{SystemTime, UNIX_EPOCH};

use ledger::Behind;

use crate::State;
use crate::sweep::PAGE;

#[derive(Default)]
pub(crate) struct Lag {
    chains: u64,
    entries: u64,
    seconds: f64,
}

/// Looks at all chains, and does nothing about them.
pub(crate) async fn measure(state: &State) -> Result<(), ledger::Error> {
    let mut lag = Lag::default();
    let mut after = None;
    loop {
        let page = state
            .ledger()
            .behind(state.visible(), after.as_ref(), PAGE)
            .await?;
        page.0.iter().for_each(|chain| lag.count(chain));
        after = page.1;
        if after.is_none() {
            lag.publish();
            return Ok(());
        }
    }
}

impl Lag {
    pub(crate) fn count(&mut self, behind: &Behind) {
        self.chains += 1;
        self.entries += behind.size.saturating_sub(behind.cursor.next);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0.0, |now| now.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "microseconds are enough")]
        let since = behind.since.as_micros() as f64 / 1e6;
        self.seconds = self.seconds.max(now - since);
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric")]
    pub(crate) fn publish(&self) {
        metrics::gauge!("index_behind_chains").set(self.chains as f64);
        metrics::gauge!("index_behind_entries").set(self.entries as f64);
        metrics::gauge!("index_behind_seconds").set(self.seconds);
    }
}
