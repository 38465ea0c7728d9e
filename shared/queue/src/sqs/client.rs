//! From a URL to a client with bounded waits.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{Builder, Region};
use url::Url;

use crate::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// One attempt, and all attempts with the pauses between them.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 3;

/// The queue's name and a client for it. Asks no queue yet.
pub(super) async fn open(url: &str) -> Result<(String, Client), Error> {
    let url = Url::parse(url).map_err(|_| Error::InvalidUrl("is not a URL"))?;
    let name = url.host_str().unwrap_or_default().to_owned();
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 80 || !name.chars().all(letters) {
        return Err(Error::InvalidUrl("must be sqs://NAME of a standard queue"));
    }
    if !matches!(url.path(), "" | "/") {
        return Err(Error::InvalidUrl("must be sqs://NAME, without a path"));
    }
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts(Duration::ZERO));
    for (key, value) in url.query_pairs() {
        loader = match key.as_ref() {
            "endpoint" => loader.endpoint_url(value),
            "region" => loader.region(Region::new(value.into_owned())),
            _ => {
                return Err(Error::InvalidUrl(
                    "has an option other than endpoint, region",
                ));
            }
        };
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(Error::InvalidUrl(
            "names no region, and neither does AWS_REGION",
        ));
    }
    Ok((name, Client::new(&config)))
}

fn timeouts(wait: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(wait + ATTEMPT_TIMEOUT)
        .operation_timeout(wait + CALL_TIMEOUT)
        .build()
}

/// For a call that the server answers only after `wait`.
pub(super) fn patient(wait: Duration) -> Builder {
    Builder::default().timeout_config(timeouts(wait))
}
