//! An object written in parts. One part is filled while the one before is on its way, so memory is two parts,
//! whatever the object's size; what fits into one part is one put.

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::failure::{Answer, answer};
use super::{Place, WRITER, client};
use crate::{Error, Upload};

const PART: usize = 8 << 20;
/// What S3 takes.
const PARTS: usize = 10_000;

struct Parts {
    place: Place,
    key: String,
    writer: Uuid,
    buffer: BytesMut,
    /// No write failed or was dropped halfway: bytes of it may be missing.
    whole: bool,
    /// S3's name of the upload, once there is more than one part.
    id: Option<String>,
    done: Vec<CompletedPart>,
    /// The part that is on its way; dropped with this.
    sending: JoinSet<Result<CompletedPart, Error>>,
}

pub(super) fn begin(place: Place, key: String) -> impl Upload {
    Parts {
        place,
        key,
        writer: Uuid::new_v4(),
        buffer: BytesMut::new(),
        whole: true,
        id: None,
        done: Vec::new(),
        sending: JoinSet::new(),
    }
}

impl Parts {
    /// What is in the buffer is a part, and goes on its way when the one before has arrived.
    async fn send(&mut self) -> Result<(), Error> {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => self.create().await?,
        };
        self.arrived().await?;
        if self.done.len() == PARTS {
            return Err(Error::TooLarge);
        }
        let number = i32::try_from(self.done.len() + 1).unwrap_or(i32::MAX);
        let body = self.buffer.split().freeze();
        let upload = self
            .place
            .client
            .upload_part()
            .bucket(&self.place.bucket)
            .key(&self.key)
            .upload_id(id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(ByteStream::from(body))
            .customize()
            .config_override(client::patient());
        self.sending.spawn(async move {
            let Answer::Is(part) = answer(upload.send().await)? else {
                return Err(gone());
            };
            let completed = CompletedPart::builder()
                .part_number(number)
                .set_e_tag(part.e_tag)
                .set_checksum_crc32(part.checksum_crc32);
            Ok(completed.build())
        });
        Ok(())
    }

    async fn create(&mut self) -> Result<String, Error> {
        let place = &self.place;
        let create = place.client.create_multipart_upload();
        let create = create
            .bucket(&place.bucket)
            .key(&self.key)
            .metadata(WRITER, self.writer.to_string())
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .set_server_side_encryption(place.encryption.clone())
            .set_ssekms_key_id(place.kms_key.clone());
        let Answer::Is(created) = answer(create.send().await)? else {
            return Err(Error::NoBucket(place.bucket.clone()));
        };
        let id = created
            .upload_id
            .ok_or_else(|| Error::Refused("the answer has no upload id".into()))?;
        Ok(self.id.insert(id).clone())
    }

    async fn arrived(&mut self) -> Result<(), Error> {
        if let Some(sent) = self.sending.join_next().await {
            let part = sent.map_err(|error| Error::Refused(error.into()))??;
            self.done.push(part);
        }
        Ok(())
    }

    async fn put(&mut self) -> Result<(), Error> {
        let place = &self.place;
        let put = place
            .client
            .put_object()
            .bucket(&place.bucket)
            .key(&self.key);
        let put = put
            .metadata(WRITER, self.writer.to_string())
            .set_server_side_encryption(place.encryption.clone())
            .set_ssekms_key_id(place.kms_key.clone())
            .body(ByteStream::from(self.buffer.split().freeze()))
            .customize()
            .config_override(client::patient());
        match answer(put.send().await)? {
            Answer::Is(_) => Ok(()),
            Answer::Missing => Err(Error::NoBucket(place.bucket.clone())),
            Answer::Conflict => Err(Error::Unavailable("another writer is in the way".into())),
        }
    }

    async fn complete(&mut self, id: String) -> Result<(), Error> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.done.clone()));
        let place = &self.place;
        let complete = place.client.complete_multipart_upload();
        let complete = complete
            .bucket(&place.bucket)
            .key(&self.key)
            .upload_id(id)
            .multipart_upload(parts.build())
            .customize()
            .config_override(client::patient());
        match answer(complete.send().await)? {
            Answer::Is(_) => {}
            // Swept; or the first attempt completed it and its answer got lost.
            Answer::Missing if place.is_by(&self.key, self.writer).await? => {}
            Answer::Missing => return Err(gone()),
            Answer::Conflict => {
                return Err(Error::Unavailable("another writer is in the way".into()));
            }
        }
        self.id = None;
        Ok(())
    }

    /// What is left to give up: the place and the upload's name.
    fn give_up(&mut self) -> Option<(Place, String, String)> {
        self.sending.abort_all();
        let id = self.id.take()?;
        Some((self.place.clone(), self.key.clone(), id))
    }
}

#[async_trait]
impl Upload for Parts {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        let whole = std::mem::replace(&mut self.whole, false);
        while !bytes.is_empty() {
            let room = PART - self.buffer.len();
            let now = bytes.split_to(room.min(bytes.len()));
            self.buffer.extend_from_slice(&now);
            if self.buffer.len() == PART {
                self.send().await?;
            }
        }
        self.whole = whole;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), Error> {
        if !self.whole {
            return Err(Error::not_whole());
        }
        if self.id.is_none() {
            return self.put().await;
        }
        if !self.buffer.is_empty() {
            self.send().await?;
        }
        self.arrived().await?;
        let id = self.id.clone().unwrap_or_default();
        self.complete(id).await
    }

    async fn abort(mut self: Box<Self>) {
        if let Some((place, key, id)) = self.give_up() {
            abort(place, key, id).await;
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let Some((place, key, id)) = self.give_up() else {
            return;
        };
        // Without a runtime the process is ending, and the sweep does it.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(abort(place, key, id));
        }
    }
}

async fn abort(place: Place, key: String, id: String) {
    let abort = place.client.abort_multipart_upload().bucket(&place.bucket);
    if let Err(error) = answer(abort.key(&key).upload_id(id).send().await) {
        tracing::warn!(key, error = ?error, "an upload stays until it is swept");
    }
}

fn gone() -> Error {
    Error::Refused("the upload is no longer there: it was swept".into())
}
