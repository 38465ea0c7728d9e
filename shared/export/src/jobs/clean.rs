//! What is left of jobs that have ended, and when it goes: objects of finished jobs when they
//! expire, everything of other jobs at once, rows at last. Each step may be repeated.

use std::time::Duration;

use uuid::Uuid;

use super::{Error, Jobs, PREFIX};

/// A job that has ended and of which something may be in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remains {
    pub tenant: Uuid,
    pub id: Uuid,
}

/// Whose an object is, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub tenant: Uuid,
    pub id: Uuid,
    pub attempt: u32,
}

impl Kept {
    /// `None` for a key that no job makes.
    pub fn of(key: &str) -> Option<Self> {
        let mut parts = key.strip_prefix(PREFIX)?.split('/');
        let kept = Self {
            tenant: parts.next()?.parse().ok()?,
            id: parts.next()?.parse().ok()?,
            attempt: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(kept)
    }
}

/// Jobs that nobody is at, those among them that were put back for a while: when the object store is down,
/// that is all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub jobs: u64,
    /// How long ago the first of them was asked for.
    pub longest: Duration,
}

impl Jobs {
    /// For whoever watches over the workers.
    pub async fn waiting(&self) -> Result<Waiting, Error> {
        let waiting = sqlx::query!(
            r#"select count(*) as "jobs!",
                      coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as "longest!"
                 from export.jobs
                where (state = 'queued' and unrecorded is null) or (state = 'running' and leased_until <= clock_timestamp())"#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Waiting {
            jobs: u64::try_from(waiting.jobs).unwrap_or_default(),
            longest: Duration::try_from_secs_f64(waiting.longest).unwrap_or_default(),
        })
    }

    /// Ends finished jobs whose time is over, and gives jobs of which something may be in the store:
    /// whoever removed it says so with [`Jobs::cleaned`].
    pub async fn expire(&self, limit: u32) -> Result<Vec<Remains>, Error> {
        sqlx::query!(
            "update export.jobs set state = 'expired' where state = 'finished' and expires_at <= clock_timestamp()"
        )
        .execute(&self.pool)
        .await?;
        let remains = sqlx::query_as!(
            Remains,
            "select tenant, id from export.jobs
              where state in ('failed', 'cancelled', 'expired') and not cleaned
              order by ended_at limit $1",
            i64::from(limit)
        );
        Ok(remains.fetch_all(&self.pool).await?)
    }

    /// Nothing of this job is in the store any more.
    pub async fn cleaned(&self, tenant: Uuid, id: Uuid) -> Result<(), Error> {
        sqlx::query!(
            "update export.jobs set cleaned = true
              where tenant = $1 and id = $2 and state in ('failed', 'cancelled', 'expired')",
            tenant,
            id
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Whether an object is one that a job has, or is about to have.
    pub async fn keeps(&self, object: Kept) -> Result<bool, Error> {
        let keeps = sqlx::query_scalar!(
            r#"select exists (
                 select from export.jobs
                  where tenant = $1 and id = $2 and attempt = $3 and state in ('running', 'finished')
               ) as "keeps!""#,
            object.tenant,
            object.id,
            object.attempt.cast_signed()
        );
        Ok(keeps.fetch_one(&self.pool).await?)
    }

    /// Removes jobs that have waited longer than that for their record: whoever asked for them had no
    /// answer. How many.
    pub async fn forget_unrecorded(&self, older_than: Duration) -> Result<u64, Error> {
        let gone = sqlx::query!(
            "delete from export.jobs
              where state = 'queued' and due_at = 'infinity' and unrecorded is not null
                and created_at < clock_timestamp() - make_interval(secs => $1)",
            older_than.as_secs_f64()
        );
        Ok(gone.execute(&self.pool).await?.rows_affected())
    }

    /// Removes jobs that ended longer ago than that; how many.
    pub async fn forget(&self, older_than: Duration) -> Result<u64, Error> {
        let gone = sqlx::query!(
            "delete from export.jobs
              where cleaned and ended_at < clock_timestamp() - make_interval(secs => $1)",
            older_than.as_secs_f64()
        );
        Ok(gone.execute(&self.pool).await?.rows_affected())
    }
}
