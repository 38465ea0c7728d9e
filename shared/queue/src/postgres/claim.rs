//! Taking messages: what is due, how many at once, and when something is due next.

use std::time::Duration;

use uuid::Uuid;

use super::{Postgres, connect, seconds};
use crate::measure;
use crate::message::Lease;
use crate::{Error, MAX_RECEIVES, Message};

/// Rows that are due but locked by another receiver look due still; nobody looks more often than this.
const BREATH: Duration = Duration::from_millis(100);

pub(super) struct Claimed {
    pub(super) messages: Vec<Message>,
    /// How many went to the dead letters instead.
    pub(super) dead: u64,
}

impl Postgres {
    /// One statement. Dying after it leaves the messages leased: they come again.
    pub(super) async fn claim(&self, max: usize, lease: Duration) -> Result<Claimed, Error> {
        let receipt = Uuid::new_v4();
        let rows = sqlx::query_file!(
            "src/postgres/claim.sql",
            self.name,
            i64::try_from(max).unwrap_or(i64::MAX),
            seconds(lease),
            receipt,
            i32::try_from(MAX_RECEIVES).unwrap_or(i32::MAX),
        );
        let rows = connect::answer(rows.fetch_all(&self.pool)).await?;
        let dead = rows
            .first()
            .map_or(0, |row| row.dead.try_into().unwrap_or_default());
        if dead > 0 {
            measure::buried(&self.name, dead);
            tracing::warn!(
                queue = self.name,
                dead,
                "messages were received too often: they are dead letters now"
            );
        }
        let messages = rows.into_iter().filter_map(|row| {
            Some(Message {
                id: row.id?.to_string(),
                body: row.body?,
                receives: row.receives?.try_into().unwrap_or(u32::MAX),
                lease: Lease::Postgres { receipt },
            })
        });
        Ok(Claimed {
            messages: messages.collect(),
            dead,
        })
    }

    /// How long until a lease or a pause runs out.
    pub(super) async fn next_due(&self) -> Result<Duration, Error> {
        let next = sqlx::query_scalar!(
            r#"select extract(epoch from due - now())::float8 as "seconds!"
                 from queue.messages where queue = $1 order by due limit 1"#,
            self.name,
        );
        let next = connect::answer(next.fetch_optional(&self.pool)).await?;
        Ok(next.map_or(Duration::MAX, |seconds| {
            Duration::try_from_secs_f64(seconds)
                .unwrap_or_default()
                .max(BREATH)
        }))
    }
}
