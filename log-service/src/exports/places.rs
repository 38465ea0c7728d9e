//! How many direct exports and downloads run at once, so that one tenant leaves connections and
//! processor to the others. It never makes anybody wait: who finds no place is told to come back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use service::ApiError;
use uuid::Uuid;

const MOST: usize = 64;
const MOST_OF_TENANT: usize = 4;
const RETRY: Duration = Duration::from_secs(5);

#[derive(Clone, Default)]
pub(super) struct Places {
    taken: Arc<Mutex<HashMap<Uuid, usize>>>,
}

/// Given back on drop.
pub(super) struct Taken {
    places: Places,
    tenant: Uuid,
}

impl Places {
    pub(super) fn take(&self, tenant: Uuid) -> Result<Taken, ApiError> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(&tenant).copied().unwrap_or_default();
        if all >= MOST || own >= MOST_OF_TENANT {
            return Err(ApiError::TooMany { retry_after: RETRY });
        }
        taken.insert(tenant, own + 1);
        Ok(Taken {
            places: self.clone(),
            tenant,
        })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let taken = self.places.taken.lock();
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.tenant) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_leaves_room_for_others() {
        let places = Places::default();
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let held: Vec<_> = (0..MOST_OF_TENANT).map(|_| places.take(one).ok()).collect();
        assert!(places.take(one).is_err());
        drop(places.take(other).ok());
        drop(held);
        assert!(places.take(one).is_ok());
        assert!(places.taken.lock().unwrap().is_empty());
        // Whoever is refused leaves nothing behind either.
        let full = (0..MOST).map(|n| places.take(Uuid::from_u128(n as u128)));
        let full: Vec<_> = full.collect();
        assert!(places.take(Uuid::from_u128(1_000)).is_err());
        drop(full);
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
