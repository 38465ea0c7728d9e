//! How many streams there are: of a tenant, of strangers who have not said yet who they are, and
//! in all. And the stop, which ends them and waits until they are gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use service::{ApiError, Shutdown};
use tokio::sync::Notify;
use uuid::Uuid;

/// Sockets that nobody has authenticated on yet; each has ten seconds.
const STRANGERS: usize = 256;
/// How long a stop waits for readers to take their last frame.
const LAST_PATIENCE: Duration = Duration::from_secs(5);
const RETRY_AFTER: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(crate) struct Places {
    shared: Arc<Shared>,
}

struct Shared {
    most: usize,
    most_of_tenant: usize,
    taken: Mutex<Taken>,
    freed: Notify,
    stop: Shutdown,
}

#[derive(Default)]
struct Taken {
    all: usize,
    /// Strangers have no tenant.
    of: HashMap<Option<Uuid>, usize>,
}

/// One stream's; given back when it is dropped.
pub(crate) struct Place {
    shared: Arc<Shared>,
    of: Option<Uuid>,
}

impl Places {
    pub(crate) fn new(most: usize, most_of_tenant: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                most,
                most_of_tenant,
                taken: Mutex::default(),
                freed: Notify::new(),
                stop: Shutdown::new(),
            }),
        }
    }

    /// A place for a tenant's reader, or for a stranger. 429 when there is none, 503 while the
    /// service stops.
    pub(crate) fn take(&self, of: Option<Uuid>) -> Result<Place, ApiError> {
        let shared = &self.shared;
        if shared.stop.begun() {
            return Err(ApiError::Unavailable {
                code: "stopping",
                retry_after: RETRY_AFTER,
                source: None,
            });
        }
        let most = if of.is_some() {
            shared.most_of_tenant
        } else {
            STRANGERS
        };
        let mut taken = shared.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.of.get(&of).copied().unwrap_or_default();
        if own >= most || taken.all >= shared.most {
            return Err(ApiError::TooMany {
                retry_after: RETRY_AFTER,
            });
        }
        taken.all += 1;
        taken.of.insert(of, own + 1);
        drop(taken);
        metrics::gauge!("streams_open").increment(1);
        Ok(Place {
            shared: Arc::clone(shared),
            of,
        })
    }

    /// Returns once the service stops. Cancel-safe.
    pub(crate) async fn stopping(&self) {
        self.shared.stop.wait().await;
    }

    /// Ends every stream, lets nobody in any more, and waits until all are gone, for a bounded time.
    pub(crate) async fn close(&self) {
        self.shared.stop.begin();
        let gone = async {
            loop {
                let freed = self.shared.freed.notified();
                if self.open() == 0 {
                    return;
                }
                freed.await;
            }
        };
        if tokio::time::timeout(LAST_PATIENCE, gone).await.is_err() {
            tracing::warn!(left = self.open(), "streams are cut off");
        }
    }

    fn open(&self) -> usize {
        let taken = self.shared.taken.lock();
        taken.unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let shared = &self.shared;
        let mut taken = shared.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(own) = taken.of.get_mut(&self.of) {
            *own -= 1;
            if *own == 0 {
                taken.of.remove(&self.of);
            }
        }
        drop(taken);
        metrics::gauge!("streams_open").decrement(1);
        shared.freed.notify_one();
    }
}
