//! From a URL to clients with bounded waits.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, ResponseChecksumValidation};
use aws_sdk_s3::types::ServerSideEncryption;
use aws_types::service_config::ServiceConfigKey;
use url::Url;

use super::{Place, S3};
use crate::{Error, key};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// One attempt, and all attempts with the pauses between them.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(12);
/// For calls that carry a part or put parts together.
const PATIENT_ATTEMPT: Duration = Duration::from_mins(1);
const PATIENT_CALL: Duration = Duration::from_mins(2);
/// A body that does not move for so long is given up.
const STALLED: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 3;

#[derive(Default)]
struct Options {
    endpoint: Option<String>,
    region: Option<String>,
    path_style: Option<bool>,
    encryption: Option<ServerSideEncryption>,
    kms_key: Option<String>,
}

/// Asks no bucket yet.
pub(super) async fn open(url: &Url, public_endpoint: Option<&str>) -> Result<S3, Error> {
    let bucket = url.host_str().unwrap_or_default().to_owned();
    if bucket.is_empty() || url.port().is_some() || !url.username().is_empty() {
        return Err(Error::InvalidUrl("must be s3://BUCKET/PREFIX"));
    }
    let options = options(url)?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts(ATTEMPT_TIMEOUT, CALL_TIMEOUT))
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled()
                .grace_period(STALLED)
                .build(),
        );
    if let Some(region) = options.region {
        loader = loader.region(Region::new(region));
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(Error::InvalidUrl(
            "names no region, and neither does AWS_REGION",
        ));
    }
    let own = options.endpoint.is_some() || has_endpoint(&config);
    let path_style = options.path_style.unwrap_or(own);
    let mut builder = Builder::from(&config).force_path_style(path_style);
    builder = match options.endpoint {
        Some(endpoint) => builder.endpoint_url(endpoint),
        None => builder,
    };
    // Nothing of a link but its address: a browser sends no headers of ours.
    let mut public = builder
        .clone()
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if let Some(endpoint) = public_endpoint {
        let parsed = Url::parse(endpoint).ok();
        let usable =
            parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !usable {
            return Err(Error::InvalidUrl(
                "has a public endpoint that is not http:// or https://",
            ));
        }
        public = public
            .endpoint_url(endpoint)
            .force_path_style(options.path_style.unwrap_or(true));
    }
    Ok(S3 {
        place: Place {
            client: Client::from_conf(builder.build()),
            bucket,
            prefix: prefix(url)?,
            encryption: options.encryption,
            kms_key: options.kms_key,
        },
        public: Client::from_conf(public.build()),
    })
}

fn options(url: &Url) -> Result<Options, Error> {
    let mut options = Options::default();
    for (name, value) in url.query_pairs() {
        let value = value.into_owned();
        match name.as_ref() {
            "endpoint" => options.endpoint = Some(value),
            "region" => options.region = Some(value),
            "path-style" => {
                let value = value.parse();
                options.path_style = Some(value.map_err(|_| {
                    Error::InvalidUrl("has a path-style that is not true or false")
                })?);
            }
            "sse" => match value.as_str() {
                "AES256" => options.encryption = Some(ServerSideEncryption::Aes256),
                "aws:kms" => options.encryption = Some(ServerSideEncryption::AwsKms),
                _ => {
                    return Err(Error::InvalidUrl(
                        "has an sse that is not AES256 or aws:kms",
                    ));
                }
            },
            "kms-key" => options.kms_key = Some(value),
            _ => {
                return Err(Error::InvalidUrl(
                    "has an option other than endpoint, region, path-style, sse, kms-key",
                ));
            }
        }
    }
    if options.kms_key.is_some() && options.encryption != Some(ServerSideEncryption::AwsKms) {
        return Err(Error::InvalidUrl("has a kms-key without sse=aws:kms"));
    }
    Ok(options)
}

fn prefix(url: &Url) -> Result<String, Error> {
    let path = url.path().trim_matches('/');
    if path.is_empty() {
        return Ok(String::new());
    }
    key::check(path).map_err(|_| Error::InvalidUrl("has a prefix that is not a key"))?;
    Ok(format!("{path}/"))
}

/// Whether the environment or the profile names an endpoint, for S3 or for all services.
fn has_endpoint(config: &SdkConfig) -> bool {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url");
    let key = key.build().ok();
    let named = config
        .service_config()
        .zip(key)
        .and_then(|(named, key)| named.load_config(key));
    named.is_some() || config.endpoint_url().is_some()
}

fn timeouts(attempt: Duration, call: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(attempt)
        .operation_timeout(call)
        .build()
}

/// For calls that carry many bytes, or that S3 takes its time for.
pub(super) fn patient() -> Builder {
    Builder::default().timeout_config(timeouts(PATIENT_ATTEMPT, PATIENT_CALL))
}
