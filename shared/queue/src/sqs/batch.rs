//! Calls that carry up to ten messages, of which each succeeds or fails alone.

use std::future::Future;
use std::time::Duration;

use aws_sdk_sqs::types::{
    BatchResultErrorEntry, DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry,
};

use super::Sqs;
use super::failure::{failure, is_receipt_refused};
use crate::{Error, Message};

/// Whole calls are repeated by the client; this is about single messages that failed in a good call.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

impl Sqs {
    /// At most ten bodies of 256 KiB in all.
    pub(super) async fn send_all(&self, bodies: &[String]) -> Result<(), Error> {
        let known = self.known().await?;
        each((0..bodies.len()).collect(), |places| async move {
            let mut call = self.client.send_message_batch().queue_url(&known.url);
            for (id, place) in places.iter().enumerate() {
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(id.to_string())
                    .message_body(&bodies[*place])
                    .build();
                call = call.entries(entry.map_err(|error| Error::Refused(error.into()))?);
            }
            Ok(call.send().await.map_err(failure)?.failed)
        })
        .await
    }

    /// At most ten. Passes over those whose lease was lost.
    pub(super) async fn delete_all(&self, messages: Vec<&Message>) -> Result<(), Error> {
        let known = self.known().await?;
        each(messages, |messages| async move {
            let mut call = self.client.delete_message_batch().queue_url(&known.url);
            let mut any = false;
            for (id, message) in messages.iter().enumerate() {
                let Ok(receipt) = message.receipt() else {
                    continue;
                };
                let entry = DeleteMessageBatchRequestEntry::builder()
                    .id(id.to_string())
                    .receipt_handle(receipt)
                    .build();
                call = call.entries(entry.map_err(|error| Error::Refused(error.into()))?);
                any = true;
            }
            if !any {
                return Ok(Vec::new());
            }
            let mut failed = call.send().await.map_err(failure)?.failed;
            failed.retain(|entry| !is_receipt_refused(&entry.code));
            Ok(failed)
        })
        .await
    }
}

/// Calls until every item has succeeded: those that failed through no fault of ours go again. Items are
/// named in a call by their place in it.
async fn each<T, C, F>(mut items: Vec<T>, mut call: C) -> Result<(), Error>
where
    T: Copy,
    C: FnMut(Vec<T>) -> F,
    F: Future<Output = Result<Vec<BatchResultErrorEntry>, Error>>,
{
    for attempt in 1.. {
        let failed = call(items.clone()).await?;
        let Some(last) = failed.last() else {
            return Ok(());
        };
        let text = format!(
            "{} of {} messages failed: {}",
            failed.len(),
            items.len(),
            last.code
        );
        if failed.iter().any(|entry| entry.sender_fault) {
            return Err(Error::Refused(text.into()));
        }
        if attempt == ATTEMPTS {
            return Err(Error::Unavailable(text.into()));
        }
        let places = failed
            .iter()
            .filter_map(|entry| entry.id.parse::<usize>().ok());
        items = places
            .filter_map(|place| items.get(place).copied())
            .collect();
        tokio::time::sleep(PAUSE * attempt).await;
    }
    Ok(())
}
