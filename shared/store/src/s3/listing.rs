//! What is in the bucket: finished objects, and uploads that nobody finished.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::DateTime;

use super::Place;
use super::failure::{Answer, answer};
use crate::{Error, Listed, key};

/// What S3 lists at most in one call.
const PAGE: usize = 1_000;

pub(super) async fn list(
    place: &Place,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Listed>, Error> {
    let mut listed = Vec::new();
    let mut after = after.map(|after| format!("{}{after}", place.prefix));
    while listed.len() < limit {
        let asked = place.client.list_objects_v2().bucket(&place.bucket);
        let asked = asked
            .prefix(format!("{}{prefix}", place.prefix))
            .set_start_after(after.take())
            .max_keys(i32::try_from((limit - listed.len()).min(PAGE)).unwrap_or(i32::MAX));
        let Answer::Is(page) = answer(asked.send().await)? else {
            return Err(Error::NoBucket(place.bucket.clone()));
        };
        let objects = page.contents.unwrap_or_default();
        after = objects.last().and_then(|object| object.key.clone());
        listed.extend(objects.into_iter().filter_map(|object| {
            let key = object.key?.strip_prefix(&place.prefix)?.to_owned();
            // Somebody else's, in the same bucket.
            key::check(&key).ok()?;
            Some(Listed {
                key,
                size: object.size?.try_into().ok()?,
                modified: object.last_modified?.try_into().ok()?,
            })
        }));
        if page.is_truncated != Some(true) || after.is_none() {
            break;
        }
    }
    Ok(listed)
}

pub(super) async fn sweep(place: &Place, older_than: Duration) -> Result<u64, Error> {
    let limit = SystemTime::now()
        .checked_sub(older_than)
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let limit = DateTime::from(limit);
    let mut swept = 0;
    let (mut after_key, mut after_id) = (None, None);
    loop {
        let asked = place.client.list_multipart_uploads().bucket(&place.bucket);
        let asked = asked
            .prefix(&place.prefix)
            .set_key_marker(after_key)
            .set_upload_id_marker(after_id);
        let Answer::Is(page) = answer(asked.send().await)? else {
            return Err(Error::NoBucket(place.bucket.clone()));
        };
        for upload in page.uploads() {
            let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else {
                continue;
            };
            if upload.initiated().is_some_and(|begun| *begun < limit) {
                let abort = place.client.abort_multipart_upload().bucket(&place.bucket);
                answer(abort.key(key).upload_id(id).send().await)?;
                swept += 1;
            }
        }
        if page.is_truncated != Some(true) || page.next_key_marker.is_none() {
            return Ok(swept);
        }
        (after_key, after_id) = (page.next_key_marker, page.next_upload_id_marker);
    }
}
