//! Objects in a bucket of Amazon S3, or of whatever speaks its protocol. Never creates or changes a bucket,
//! and never sets an access list.

mod client;
mod disposition;
mod failure;
mod listing;
mod upload;

use std::io;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use url::Url;
use uuid::Uuid;

use self::failure::{Answer, answer};
use crate::{Error, Listed, Object, Store, Upload, key};

/// Names the call that wrote an object, so that a repeated call finds its own.
const WRITER: &str = "writer";
/// Of two writers at once S3 may refuse both for the moment.
const CREATE_ATTEMPTS: u32 = 4;
const CREATE_PAUSE: Duration = Duration::from_millis(100);
const LINK_LIFETIME: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(7 * 24));

pub(crate) struct S3 {
    place: Place,
    /// Signs links under the address that users reach.
    public: Client,
}

/// Where objects are and how they are kept.
#[derive(Clone)]
struct Place {
    client: Client,
    bucket: String,
    /// Empty, or ends with a slash.
    prefix: String,
    encryption: Option<ServerSideEncryption>,
    kms_key: Option<String>,
}

impl Place {
    fn key(&self, key: &str) -> Result<String, Error> {
        key::check(key)?;
        Ok(format!("{}{key}", self.prefix))
    }

    async fn ready(&self) -> Result<(), Error> {
        let asked = self.client.head_bucket().bucket(&self.bucket).send().await;
        match answer(asked)? {
            Answer::Is(_) => Ok(()),
            Answer::Missing | Answer::Conflict => Err(Error::NoBucket(self.bucket.clone())),
        }
    }

    /// Size of the object, and which call wrote it.
    async fn head(&self, key: &str) -> Result<Option<(u64, Option<String>)>, Error> {
        let asked = self.client.head_object().bucket(&self.bucket).key(key);
        let Answer::Is(head) = answer(asked.send().await)? else {
            return Ok(None);
        };
        let writer = head
            .metadata
            .and_then(|mut metadata| metadata.remove(WRITER));
        let size = head
            .content_length
            .and_then(|length| length.try_into().ok());
        Ok(Some((size.unwrap_or_default(), writer)))
    }

    /// Whether this call wrote what is there: it was repeated after its answer got lost.
    async fn is_by(&self, key: &str, writer: Uuid) -> Result<bool, Error> {
        let head = self.head(key).await?;
        Ok(head
            .and_then(|(_, by)| by)
            .is_some_and(|by| by == writer.to_string()))
    }
}

pub(crate) async fn open(url: &Url, public_endpoint: Option<&str>) -> Result<S3, Error> {
    let store = client::open(url, public_endpoint).await?;
    match store.place.ready().await {
        Err(error @ Error::Unavailable(_)) => {
            tracing::warn!(bucket = store.place.bucket, error = ?error, "the object store is not available yet");
        }
        answer => answer?,
    }
    Ok(store)
}

#[async_trait]
impl Store for S3 {
    async fn create(&self, key: &str, body: Bytes) -> Result<bool, Error> {
        let place = &self.place;
        let key = place.key(key)?;
        let writer = Uuid::new_v4();
        for attempt in 1.. {
            let put = place.client.put_object().bucket(&place.bucket).key(&key);
            let put = put
                .if_none_match("*")
                .metadata(WRITER, writer.to_string())
                .set_server_side_encryption(place.encryption.clone())
                .set_ssekms_key_id(place.kms_key.clone())
                .body(ByteStream::from(body.clone()))
                .customize()
                .config_override(client::patient());
            match answer(put.send().await)? {
                Answer::Is(_) => return Ok(true),
                Answer::Missing => return Err(Error::NoBucket(place.bucket.clone())),
                // There already; or, with nothing there, two writers in each other's way.
                Answer::Conflict => match place.head(&key).await? {
                    Some((_, by)) => return Ok(by.is_some_and(|by| by == writer.to_string())),
                    None if attempt == CREATE_ATTEMPTS => break,
                    None => tokio::time::sleep(CREATE_PAUSE * attempt).await,
                },
            }
        }
        Err(Error::Unavailable("other writers are in the way".into()))
    }

    async fn write(&self, key: &str) -> Result<Box<dyn Upload>, Error> {
        let key = self.place.key(key)?;
        Ok(Box::new(upload::begin(self.place.clone(), key)))
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<Object, Error> {
        let place = &self.place;
        let key = place.key(key)?;
        let wanted = match range {
            Some(range) if range.is_empty() => None,
            Some(range) => Some(Some(format!("bytes={}-{}", range.start, range.end - 1))),
            None => Some(None),
        };
        if let Some(range) = wanted {
            let asked = place.client.get_object().bucket(&place.bucket).key(&key);
            match answer(asked.set_range(range).send().await)? {
                Answer::Missing => return Err(Error::NotFound),
                // The range begins beyond the end.
                Answer::Conflict => {}
                Answer::Is(object) => {
                    let total = object
                        .content_range()
                        .and_then(|range| range.rsplit('/').next()?.parse().ok());
                    let length = object
                        .content_length()
                        .and_then(|length| length.try_into().ok());
                    let size = total
                        .or(length)
                        .ok_or_else(|| Error::Refused("the answer has no size".into()))?;
                    return Ok(Object {
                        size,
                        body: stream(object.body),
                    });
                }
            }
        }
        let (size, _) = place.head(&key).await?.ok_or(Error::NotFound)?;
        Ok(Object {
            size,
            body: stream::empty().boxed(),
        })
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, Error> {
        let head = self.place.head(&self.place.key(key)?).await?;
        Ok(head.map(|(size, _)| size))
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        let place = &self.place;
        let key = place.key(key)?;
        let asked = place.client.delete_object().bucket(&place.bucket).key(key);
        answer(asked.send().await)?;
        Ok(())
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, Error> {
        listing::list(&self.place, prefix, after, limit).await
    }

    async fn link(
        &self,
        key: &str,
        file_name: &str,
        content_type: &str,
        lifetime: Duration,
    ) -> Result<Option<Url>, Error> {
        let place = &self.place;
        let (shortest, longest) = LINK_LIFETIME;
        let signing = PresigningConfig::expires_in(lifetime.clamp(shortest, longest));
        let signing = signing.map_err(|error| Error::Refused(error.into()))?;
        let get = self
            .public
            .get_object()
            .bucket(&place.bucket)
            .key(place.key(key)?);
        let get = get
            .response_content_disposition(disposition::attachment(file_name))
            .response_content_type(content_type);
        let signed = get.presigned(signing).await.map_err(failure::failure)?;
        let link = Url::parse(signed.uri()).map_err(|error| Error::Refused(error.into()))?;
        Ok(Some(link))
    }

    async fn sweep_uploads(&self, older_than: Duration) -> Result<u64, Error> {
        listing::sweep(&self.place, older_than).await
    }

    async fn ready(&self) -> Result<(), Error> {
        self.place.ready().await
    }
}

fn stream(body: ByteStream) -> BoxStream<'static, io::Result<Bytes>> {
    stream::try_unfold(body, async |mut body| {
        let next = body.try_next().await.map_err(io::Error::other)?;
        Ok(next.map(|bytes| (bytes, body)))
    })
    .boxed()
}
