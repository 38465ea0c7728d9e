//! What the server says of a queue: where it is, and where its dead letters go.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;

use super::failure::{code, failure};
use crate::{Error, MAX_RECEIVES};

pub(super) type Attributes = HashMap<QueueAttributeName, String>;

pub(super) struct Known {
    pub(super) url: String,
    pub(super) dead_url: String,
}

pub(super) async fn ask(client: &Client, name: &str) -> Result<Known, Error> {
    let url = url_of(client, name, None).await?;
    let attributes = attributes(client, &url, &[QueueAttributeName::RedrivePolicy]).await?;
    let no_dead_letters = || Error::NoDeadLetters(name.to_owned());
    let policy = attributes.get(&QueueAttributeName::RedrivePolicy);
    let policy = policy.ok_or_else(no_dead_letters)?;
    let (account, dead, receives) = redrive(policy).ok_or_else(no_dead_letters)?;
    if receives != u64::from(MAX_RECEIVES) {
        tracing::warn!(
            queue = name,
            receives,
            "the redrive policy allows another number of receives than {MAX_RECEIVES}"
        );
    }
    let dead_url = url_of(client, &dead, Some(account)).await?;
    Ok(Known { url, dead_url })
}

async fn url_of(client: &Client, name: &str, account: Option<String>) -> Result<String, Error> {
    let asked = client.get_queue_url().queue_name(name);
    let answer = asked.set_queue_owner_aws_account_id(account).send().await;
    let answer = answer.map_err(|error| match code(&error) {
        Some("QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue") => {
            Error::NoQueue(name.to_owned())
        }
        _ => failure(error),
    })?;
    answer
        .queue_url
        .ok_or_else(|| Error::Refused("the answer has no queue URL".into()))
}

pub(super) async fn attributes(
    client: &Client,
    url: &str,
    names: &[QueueAttributeName],
) -> Result<Attributes, Error> {
    let asked = client.get_queue_attributes().queue_url(url);
    let answer = asked.set_attribute_names(Some(names.to_vec())).send().await;
    Ok(answer.map_err(failure)?.attributes.unwrap_or_default())
}

/// Account and name of the dead-letter queue, and after how many receives; both forms of the number are
/// in use.
fn redrive(policy: &str) -> Option<(String, String, u64)> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let mut arn = policy.get("deadLetterTargetArn")?.as_str()?.rsplit(':');
    let (name, account) = (arn.next()?, arn.next()?);
    let receives = policy.get("maxReceiveCount")?;
    let receives = match receives {
        Value::String(text) => text.parse().ok()?,
        other => other.as_u64()?,
    };
    Some((account.to_owned(), name.to_owned(), receives))
}

#[cfg(test)]
mod tests {
    use super::redrive;

    #[test]
    fn redrive_policies_name_their_target() {
        let target = Some(("000000000000".to_owned(), "hints-dead".to_owned(), 5));
        let text = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:hints-dead","maxReceiveCount":"5"}"#;
        assert_eq!(redrive(text), target);
        assert_eq!(redrive(&text.replace("\"5\"", "5")), target);
        assert_eq!(redrive("{}"), None);
        assert_eq!(redrive("x"), None);
    }
}
