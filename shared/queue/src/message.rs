//! A message that somebody holds for a while.

use std::fmt;

/// Longest body, in bytes of UTF-8; what SQS takes in one call.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// A received message. Clones share the lease.
#[derive(Clone)]
pub struct Message {
    /// Says which message this is in logs; the same at every receive.
    pub id: String,
    pub body: String,
    /// 1 the first time.
    pub receives: u32,
    /// Names the receive, not the message: only the last one's is good.
    #[expect(dead_code, reason = "read by the implementations, which come next")]
    pub(crate) receipt: String,
}

/// Without the body: logs must not depend on what it holds.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("receives", &self.receives)
            .finish_non_exhaustive()
    }
}
