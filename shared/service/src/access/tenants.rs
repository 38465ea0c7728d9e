//! Which tenant id goes with which code, as verified tokens said. Both are immutable, so a token
//! that says otherwise is wrong whoever signed it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::caller::Tenant;

/// Tenants that are remembered.
const MOST: usize = 100_000;

#[derive(Debug, Default)]
pub(super) struct Tenants(Mutex<Names>);

#[derive(Debug, Default)]
struct Names {
    codes: HashMap<Uuid, String>,
    ids: HashMap<String, Uuid>,
}

impl Tenants {
    /// Whether id and code belong together as far as earlier tokens said; if they said nothing,
    /// this one is remembered.
    pub(super) fn agree(&self, tenant: &Tenant) -> bool {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (names.codes.get(&tenant.id), names.ids.get(&tenant.code)) {
            (None, None) => {
                if names.codes.len() < MOST {
                    names.codes.insert(tenant.id, tenant.code.clone());
                    names.ids.insert(tenant.code.clone(), tenant.id);
                }
                true
            }
            (code, id) => code == Some(&tenant.code) && id == Some(&tenant.id),
        }
    }
}
