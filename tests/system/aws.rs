//! Queues with dead letters and a bucket of one's own on LocalStack, as `localstack/` makes them for
//! `docker-compose.yml`.

use anyhow::Context as _;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;

use crate::Servers;

/// As `shared/queue` expects it.
const MAX_RECEIVES: u32 = 5;
const QUEUES: [&str; 2] = ["index", "export"];

/// The variables in which Amazon's clients look. The keys are anything: LocalStack takes all.
pub(crate) fn environment(servers: &Servers) -> Vec<(String, String)> {
    [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", &servers.localstack_url),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

pub(crate) fn queue_url(name: &str, queue: &str) -> String {
    format!("sqs://{name}-{queue}")
}

pub(crate) fn store_url(name: &str) -> String {
    format!("s3://{name}")
}

struct Clients {
    sqs: aws_sdk_sqs::Client,
    s3: aws_sdk_s3::Client,
}

async fn clients(servers: &Servers) -> Clients {
    let credentials = aws_sdk_sqs::config::Credentials::new("test", "test", None, None, "fixed");
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .credentials_provider(credentials)
        .endpoint_url(&servers.localstack_url)
        .load()
        .await;
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
    Clients {
        sqs: aws_sdk_sqs::Client::new(&config),
        s3: aws_sdk_s3::Client::from_conf(s3.build()),
    }
}

pub(crate) async fn objects(servers: &Servers) -> aws_sdk_s3::Client {
    clients(servers).await.s3
}

pub(crate) async fn create(servers: &Servers, name: &str) -> anyhow::Result<()> {
    let clients = clients(servers).await;
    for queue in QUEUES {
        queue_with_dead_letters(&clients.sqs, &format!("{name}-{queue}")).await?;
    }
    let created = clients.s3.create_bucket().bucket(name).send().await;
    created.context("cannot create the bucket")?;
    Ok(())
}

async fn queue_with_dead_letters(sqs: &aws_sdk_sqs::Client, name: &str) -> anyhow::Result<()> {
    let dead = sqs.create_queue().queue_name(format!("{name}-dead"));
    let dead = dead.send().await.context("cannot create a queue")?;
    let asked = sqs
        .get_queue_attributes()
        .set_queue_url(dead.queue_url)
        .attribute_names(QueueAttributeName::QueueArn);
    let answer = asked.send().await?;
    let arn = answer
        .attributes()
        .and_then(|attributes| attributes.get(&QueueAttributeName::QueueArn))
        .context("a queue without a name")?;
    let redrive = json!({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES});
    sqs.create_queue()
        .queue_name(name)
        .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string())
        .send()
        .await
        .context("cannot create a queue")?;
    Ok(())
}

/// Puts a message into one of the queues.
pub(crate) async fn send(
    servers: &Servers,
    name: &str,
    queue: &str,
    body: &str,
) -> anyhow::Result<()> {
    let sqs = clients(servers).await.sqs;
    let found = sqs.get_queue_url().queue_name(format!("{name}-{queue}"));
    let url = found.send().await?.queue_url;
    let message = sqs.send_message().set_queue_url(url).message_body(body);
    message.send().await?;
    Ok(())
}

pub(crate) async fn remove(servers: &Servers, name: &str) -> anyhow::Result<()> {
    let clients = clients(servers).await;
    for queue in QUEUES {
        for queue in [format!("{name}-{queue}"), format!("{name}-{queue}-dead")] {
            let found = clients.sqs.get_queue_url().queue_name(queue).send().await?;
            let delete = clients.sqs.delete_queue().set_queue_url(found.queue_url);
            delete.send().await?;
        }
    }
    empty(&clients.s3, name).await?;
    clients.s3.delete_bucket().bucket(name).send().await?;
    Ok(())
}

/// A bucket goes only when nothing is in it, unfinished uploads included.
async fn empty(s3: &aws_sdk_s3::Client, bucket: &str) -> anyhow::Result<()> {
    let uploads = s3.list_multipart_uploads().bucket(bucket).send().await?;
    for upload in uploads.uploads() {
        let abort = s3.abort_multipart_upload().bucket(bucket);
        abort
            .set_key(upload.key().map(Into::into))
            .set_upload_id(upload.upload_id().map(Into::into))
            .send()
            .await?;
    }
    loop {
        let listed = s3.list_objects_v2().bucket(bucket).send().await?;
        if listed.contents().is_empty() {
            return Ok(());
        }
        for object in listed.contents() {
            let delete = s3.delete_object().bucket(bucket);
            delete.set_key(object.key().map(Into::into)).send().await?;
        }
    }
}
