//! A queue of Amazon SQS, or of whatever speaks its protocol. Never creates or changes a queue.

mod batch;
mod client;
mod failure;
mod known;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName as Name,
};
use tokio::sync::OnceCell;

use self::failure::failure;
use self::known::Known;
use crate::measure;
use crate::message::{self, Lease};
use crate::{Depth, Error, MAX_BODY_BYTES, MAX_LEASE, MAX_WAIT, Message, Queue};

/// What SQS takes and gives in one call.
const CALL: usize = 10;
/// The attribute of a dead letter that says why it is one; name and type count against its size.
const REASON: &str = "reason";
const REASON_TYPE: &str = "String";

pub(crate) struct Sqs {
    name: String,
    client: Client,
    /// What the server says of the queue, asked once it can be reached.
    known: OnceCell<Known>,
}

pub(crate) async fn open(url: &str) -> Result<Sqs, Error> {
    let (name, client) = client::open(url).await?;
    let queue = Sqs {
        name,
        client,
        known: OnceCell::new(),
    };
    match queue.known().await {
        Err(error @ Error::Unavailable(_)) => {
            tracing::warn!(queue = queue.name, error = ?error, "the queue is not available yet");
        }
        answer => {
            answer?;
        }
    }
    Ok(queue)
}

impl Sqs {
    async fn known(&self) -> Result<&Known, Error> {
        let ask = || known::ask(&self.client, &self.name);
        self.known.get_or_try_init(ask).await
    }

    /// One call: at most ten messages.
    async fn call(
        &self,
        max: usize,
        wait: Duration,
        lease: Duration,
    ) -> Result<Vec<Message>, Error> {
        let known = self.known().await?;
        let until = Instant::now() + lease;
        let received = self
            .client
            .receive_message()
            .queue_url(&known.url)
            .max_number_of_messages(whole(max.clamp(1, CALL)))
            .wait_time_seconds(whole(wait.as_secs()))
            .visibility_timeout(whole(lease.as_secs()))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .customize()
            .config_override(client::patient(wait))
            .send()
            .await
            .map_err(failure)?;
        let messages = received.messages.unwrap_or_default().into_iter();
        let messages = messages.filter_map(|message| {
            let receives = MessageSystemAttributeName::ApproximateReceiveCount;
            let receives = message.attributes.as_ref()?.get(&receives)?;
            Some(Message {
                id: message.message_id?,
                body: message.body?,
                receives: receives.parse().ok()?,
                lease: Lease::Sqs {
                    receipt: message.receipt_handle?.into(),
                    until: Arc::new(Mutex::new(until)),
                },
            })
        });
        Ok(messages.collect())
    }

    /// Sets when the message comes again. The lease here ends with the earlier of the two times while the
    /// call is under way, so that nobody acts on a lease that the server already ended.
    async fn change(&self, message: &Message, pause: Duration) -> Result<(), Error> {
        let receipt = message.receipt()?;
        let known = self.known().await?;
        let changed = self
            .client
            .change_message_visibility()
            .queue_url(&known.url)
            .receipt_handle(receipt)
            .visibility_timeout(whole(pause.as_secs()))
            .send()
            .await;
        changed.map(|_| ()).map_err(|error| {
            match failure(error) {
                // Of a receipt this means that it names no receive in flight (any more), or that the message
                // would be out of sight for more than twelve hours.
                Error::Refused(source) if failure::is_lease_lost(&*source) => Error::LeaseLost,
                error => error,
            }
        })
    }

    async fn delete(&self, message: &Message) -> Result<(), Error> {
        self.delete_all(vec![message]).await
    }
}

#[async_trait]
impl Queue for Sqs {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, bodies: &[String]) -> Result<(), Error> {
        message::check(bodies)?;
        let mut rest = bodies;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(message::fitting(rest, CALL, MAX_BODY_BYTES));
            self.send_all(now).await?;
            rest = later;
        }
        Ok(())
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        lease: Duration,
    ) -> Result<Vec<Message>, Error> {
        let lease = message::lease(lease);
        let mut messages = self.call(max, wait.min(MAX_WAIT), lease).await?;
        // What came is the caller's already, so a later call that fails only ends the filling up.
        while !messages.is_empty() && messages.len() < max {
            match self.call(max - messages.len(), Duration::ZERO, lease).await {
                Ok(more) if !more.is_empty() => messages.extend(more),
                _ => break,
            }
        }
        Ok(messages)
    }

    async fn extend(&self, message: &Message, lease: Duration) -> Result<(), Error> {
        let lease = message::lease(lease);
        let until = Instant::now() + lease;
        self.change(message, lease).await?;
        message.lease_until(until);
        Ok(())
    }

    async fn done(&self, messages: &[Message]) -> Result<(), Error> {
        for messages in messages.chunks(CALL) {
            self.delete_all(messages.iter().collect()).await?;
        }
        Ok(())
    }

    async fn give_back(&self, message: &Message, after: Duration) -> Result<(), Error> {
        self.change(message, after.min(MAX_LEASE)).await?;
        message.lease_until(Instant::now());
        Ok(())
    }

    async fn bury(&self, message: &Message, reason: &str) -> Result<(), Error> {
        message.receipt()?;
        let known = self.known().await?;
        let reason = message::reason(reason);
        let mut letter = self
            .client
            .send_message()
            .queue_url(&known.dead_url)
            .message_body(&message.body);
        // Attributes count: one of the longest messages has no room for a reason.
        let size = message.body.len() + REASON.len() + REASON_TYPE.len() + reason.len();
        if size <= MAX_BODY_BYTES {
            let value = MessageAttributeValue::builder()
                .data_type(REASON_TYPE)
                .string_value(reason)
                .build()
                .map_err(|error| Error::Refused(error.into()))?;
            letter = letter.message_attributes(REASON, value);
        }
        letter.send().await.map_err(failure)?;
        measure::buried(&self.name, 1);
        // Dying here leaves it in both queues: whoever receives it next buries it once more.
        self.delete(message).await
    }

    async fn depth(&self) -> Result<Depth, Error> {
        let known = self.known().await?;
        let own = [
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesDelayed,
            Name::ApproximateNumberOfMessagesNotVisible,
        ];
        let own = known::attributes(&self.client, &known.url, &own).await?;
        let dead = [Name::ApproximateNumberOfMessages];
        let dead = known::attributes(&self.client, &known.dead_url, &dead).await?;
        let count = |attributes: &known::Attributes, name: Name| {
            let text = attributes.get(&name).map_or("0", String::as_str);
            text.parse::<u64>().unwrap_or_default()
        };
        Ok(Depth {
            waiting: count(&own, Name::ApproximateNumberOfMessages)
                + count(&own, Name::ApproximateNumberOfMessagesDelayed),
            leased: count(&own, Name::ApproximateNumberOfMessagesNotVisible),
            dead: count(&dead, Name::ApproximateNumberOfMessages),
        })
    }

    async fn ready(&self) -> Result<(), Error> {
        let known = self.known().await?;
        known::attributes(&self.client, &known.url, &[Name::QueueArn]).await?;
        Ok(())
    }
}

/// Numbers here are bounded far below.
fn whole(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}
