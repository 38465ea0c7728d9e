//! Credentials of the AWS environment for signing, kept until shortly before they end. The SDK's own clients
//! keep theirs; a provider alone asks its source every time, which can be a call of another service.

use std::time::{Duration, SystemTime};

use ::opensearch::auth;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::Mutex;

/// Before they end; so long they may still serve while their source does not answer.
const EARLY: Duration = Duration::from_mins(5);
/// Of those that do not end, since somebody may change them.
const ENDLESS: Duration = Duration::from_mins(5);

/// Region and credentials as every AWS client finds them; an error says what is not there.
pub(super) async fn of_environment() -> Result<auth::Credentials, String> {
    let aws = aws_config::load_from_env().await;
    let source = aws.credentials_provider().ok_or("no credentials")?;
    let region = aws.region().ok_or("no region")?.clone();
    let kept = SharedCredentialsProvider::new(Kept::of(source));
    Ok(auth::Credentials::AwsSigV4(kept, region))
}

#[derive(Debug)]
struct Kept<S> {
    source: S,
    /// Held while the source is asked: whoever comes meanwhile takes what it gives.
    last: Mutex<Option<Last>>,
}

#[derive(Debug)]
struct Last {
    credentials: Credentials,
    /// When the source is asked again.
    until: SystemTime,
}

impl<S: ProvideCredentials> Kept<S> {
    fn of(source: S) -> Self {
        Self {
            source,
            last: Mutex::default(),
        }
    }

    /// A failure is not kept: the next request asks again.
    async fn get(&self, now: SystemTime) -> provider::Result {
        let mut last = self.last.lock().await;
        if let Some(last) = &*last
            && now < last.until
        {
            return Ok(last.credentials.clone());
        }
        match self.source.provide_credentials().await {
            Ok(credentials) => {
                let until = until(&credentials, now);
                *last = Some(Last {
                    credentials: credentials.clone(),
                    until,
                });
                Ok(credentials)
            }
            Err(error) => match &*last {
                Some(last) if last.credentials.expiry().is_none_or(|end| now < end) => {
                    Ok(last.credentials.clone())
                }
                _ => Err(error),
            },
        }
    }
}

/// Credentials that end sooner than [`EARLY`] are not kept.
fn until(credentials: &Credentials, now: SystemTime) -> SystemTime {
    match credentials.expiry() {
        Some(end) => end.checked_sub(EARLY).unwrap_or(now),
        None => now + ENDLESS,
    }
}

impl<S: ProvideCredentials> ProvideCredentials for Kept<S> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.get(SystemTime::now()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use aws_credential_types::provider::error::CredentialsError;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// Gives credentials that end so long after this moment, whenever it is not to fail, and counts.
    #[derive(Debug)]
    struct Counted {
        now: SystemTime,
        lifetime: Option<Duration>,
        failing: AtomicBool,
        asked: AtomicUsize,
    }

    impl Counted {
        fn kept(lifetime: Option<Duration>) -> (Kept<Self>, SystemTime) {
            let now = SystemTime::now();
            let counted = Self {
                now,
                lifetime,
                failing: AtomicBool::new(false),
                asked: AtomicUsize::new(0),
            };
            (Kept::of(counted), now)
        }

        fn fail(&self, failing: bool) {
            self.failing.store(failing, Ordering::SeqCst);
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }

        async fn give(&self) -> provider::Result {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            // Others come meanwhile.
            tokio::task::yield_now().await;
            if self.failing.load(Ordering::SeqCst) {
                return Err(CredentialsError::not_loaded_no_source());
            }
            let end = self.lifetime.map(|lifetime| self.now + lifetime);
            let id = format!("key-{number}");
            Ok(Credentials::new(id, "secret", None, end, "test"))
        }
    }

    impl ProvideCredentials for Counted {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(self.give())
        }
    }

    #[tokio::test]
    async fn they_are_kept_until_shortly_before_they_end() {
        let (kept, now) = Counted::kept(Some(HOUR));
        let last = now + HOUR - EARLY - Duration::from_secs(1);
        for moment in [now, now + HOUR / 2, last] {
            let given = kept.get(moment).await.unwrap();
            assert_eq!(given.access_key_id(), "key-0");
        }
        let given = kept.get(now + HOUR - EARLY).await.unwrap();
        assert_eq!((given.access_key_id(), kept.source.asked()), ("key-1", 2));
    }

    #[tokio::test]
    async fn those_that_do_not_end_are_kept_for_a_while() {
        let (kept, now) = Counted::kept(None);
        for (moment, asked) in [(now, 1), (now + ENDLESS / 2, 1), (now + ENDLESS, 2)] {
            kept.get(moment).await.unwrap();
            assert_eq!(kept.source.asked(), asked);
        }
    }

    #[tokio::test]
    async fn their_source_is_asked_once_for_all_who_wait() {
        let (kept, _) = Counted::kept(Some(HOUR));
        let given = tokio::join!(
            kept.provide_credentials(),
            kept.provide_credentials(),
            kept.provide_credentials()
        );
        for given in [given.0, given.1, given.2] {
            assert_eq!(given.unwrap().access_key_id(), "key-0");
        }
        assert_eq!(kept.source.asked(), 1);
    }

    #[tokio::test]
    async fn a_failure_is_not_kept_and_harms_none_that_still_hold() {
        let (kept, now) = Counted::kept(Some(HOUR));
        kept.source.fail(true);
        assert!(kept.get(now).await.is_err());
        kept.source.fail(false);
        assert!(kept.get(now).await.is_ok());
        kept.source.fail(true);
        let late = now + HOUR - EARLY / 2;
        let given = kept.get(late).await.unwrap();
        assert_eq!(given.access_key_id(), "key-1");
        assert!(kept.get(now + HOUR).await.is_err());
        assert_eq!(kept.source.asked(), 4);
    }
}
