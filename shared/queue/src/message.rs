//! A message that somebody holds for a while, and the rules for bodies, leases and reasons that both
//! implementations share.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::{Error, MAX_LEASE};

/// Longest body, in bytes of UTF-8; what SQS takes in one call.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// Longest reason of a dead letter, in bytes.
const MAX_REASON_BYTES: usize = 1_000;

/// A received message. Clones share the lease.
#[derive(Clone)]
pub struct Message {
    /// Says which message this is in logs; the same at every receive.
    pub id: String,
    pub body: String,
    /// 1 the first time.
    pub receives: u32,
    pub(crate) lease: Lease,
}

/// Names the receive, not the message: only the last one's is good.
#[derive(Clone)]
pub(crate) enum Lease {
    Postgres {
        receipt: Uuid,
    },
    Sqs {
        receipt: Arc<str>,
        /// SQS takes a receipt that has run out for good while nobody else, and sometimes while somebody
        /// else has the message. So its end is counted here, from before the call that began it.
        until: Arc<Mutex<Instant>>,
    },
}

impl Message {
    /// For SQS: the receipt while it is good.
    pub(crate) fn receipt(&self) -> Result<&str, Error> {
        match &self.lease {
            Lease::Sqs { receipt, until }
                if *until.lock().unwrap_or_else(PoisonError::into_inner) > Instant::now() =>
            {
                Ok(receipt)
            }
            _ => Err(Error::LeaseLost),
        }
    }

    pub(crate) fn lease_until(&self, end: Instant) {
        if let Lease::Sqs { until, .. } = &self.lease {
            *until.lock().unwrap_or_else(PoisonError::into_inner) = end;
        }
    }
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

/// The stricter of the two servers decides what a body is.
pub(crate) fn check(bodies: &[String]) -> Result<(), Error> {
    for (index, body) in bodies.iter().enumerate() {
        let problem = if body.is_empty() {
            "is empty"
        } else if body.len() > MAX_BODY_BYTES {
            "is longer than 256 KiB"
        } else if body.chars().any(refused) {
            "contains a character that queues refuse"
        } else {
            continue;
        };
        return Err(Error::InvalidBody { index, problem });
    }
    Ok(())
}

/// What is no character of XML 1.0 is refused by SQS.
fn refused(c: char) -> bool {
    (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// How many of the first bodies go into one call; at least one.
pub(crate) fn fitting(bodies: &[String], messages: usize, bytes: usize) -> usize {
    let mut sum = 0;
    let fits = |body: &&String| {
        sum += body.len();
        sum <= bytes
    };
    let count = bodies.iter().take(messages).take_while(fits).count();
    count.max(1).min(bodies.len())
}

/// Whole seconds, as SQS counts them.
pub(crate) fn lease(asked: Duration) -> Duration {
    Duration::from_secs(asked.as_secs().clamp(1, MAX_LEASE.as_secs()))
}

/// Cut, and fit for a message's attribute.
pub(crate) fn reason(text: &str) -> String {
    let text = text.replace(refused, " ");
    let text = &text[..text.floor_char_boundary(MAX_REASON_BYTES)];
    if text.trim().is_empty() {
        return "no reason given".to_owned();
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_filled_by_number_and_by_bytes() {
        let bodies: Vec<_> = [4, 4, 3, 9].map(|n| "x".repeat(n)).into();
        assert_eq!(fitting(&bodies, 10, 11), 3);
        assert_eq!(fitting(&bodies, 2, 11), 2);
        assert_eq!(fitting(&bodies[3..], 10, 5), 1);
        assert_eq!(fitting(&bodies, 10, 20), 4);
    }

    #[test]
    fn leases_are_whole_seconds_within_bounds() {
        assert_eq!(lease(Duration::ZERO).as_secs(), 1);
        assert_eq!(lease(Duration::from_millis(2_900)).as_secs(), 2);
        assert_eq!(lease(Duration::MAX), MAX_LEASE);
    }

    #[test]
    fn reasons_are_cut_between_characters() {
        let long = "ü".repeat(600) + "\0";
        assert_eq!(reason(&long).len(), 1_000);
        assert_eq!(reason("a\0b"), "a b");
        assert_eq!(reason(" "), "no reason given");
    }
}
