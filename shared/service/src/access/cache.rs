//! Verified callers by the SHA-256 of their credential, in bounded memory. Never holds a credential.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest as _, Sha256};

use crate::caller::Caller;

/// SHA-256 of a token or an API key.
pub(crate) type Digest = [u8; 32];

pub(crate) fn digest(credential: &str) -> Digest {
    Sha256::digest(credential.as_bytes()).into()
}

/// A caller who was verified once.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) caller: Caller,
    /// Unix second from which on it is looked up again where that is possible.
    pub(crate) fresh_until: i64,
    /// The key set's epoch under which it was verified; void in any other.
    pub(crate) epoch: u64,
}

/// Two generations: when the young one is full it becomes the old one, and what is asked for in
/// the old one moves back. So what is in use stays, and memory is bounded by twice `half`.
#[derive(Debug)]
pub(crate) struct Cache {
    half: usize,
    generations: RwLock<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Digest, Arc<Known>>,
    old: HashMap<Digest, Arc<Known>>,
}

impl Cache {
    pub(crate) fn new(half: usize) -> Self {
        Self {
            half,
            generations: RwLock::default(),
        }
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<Arc<Known>> {
        let generations = self.generations.read();
        let generations = generations.unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = generations.young.get(digest) {
            return Some(Arc::clone(known));
        }
        let known = generations.old.get(digest).map(Arc::clone)?;
        drop(generations);
        self.insert(*digest, Arc::clone(&known));
        Some(known)
    }

    pub(crate) fn insert(&self, digest: Digest, known: Arc<Known>) {
        let generations = self.generations.write();
        let mut generations = generations.unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= self.half {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(digest, known);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{Kind, Principal, Roles, Scopes};

    fn known() -> Arc<Known> {
        let caller = Caller {
            tenant: None,
            principal: Principal {
                kind: Kind::User,
                id: Uuid::nil(),
            },
            roles: Roles::NONE,
            scopes: Scopes::default(),
            key: None,
            signed_by: "key".into(),
            jti: Uuid::nil(),
            issued_at: 0,
            expires_at: 0,
        };
        Arc::new(Known {
            caller,
            fresh_until: 0,
            epoch: 0,
        })
    }

    #[test]
    fn is_bounded_and_keeps_what_is_in_use() {
        let cache = Cache::new(10);
        let used = digest("used");
        cache.insert(used, known());
        for number in 0..1000 {
            cache.insert(digest(&number.to_string()), known());
            assert!(cache.get(&used).is_some(), "lost after {number}");
            let generations = cache.generations.read().unwrap();
            assert!(generations.young.len() + generations.old.len() <= 20);
        }
        assert!(cache.get(&digest("0")).is_none());
    }
}
