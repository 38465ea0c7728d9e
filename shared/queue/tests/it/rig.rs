//! What each test begins with: a queue of its own on a real server, opened through a proxy that can be
//! closed.

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use proxy::{Proxy, Target};
use queue::{Depth, Message, Queue};
use secrecy::SecretString;
use sqlx::PgPool;
use uuid::Uuid;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// Longer than any lease or pause that a test waits for.
pub(crate) const WAIT: Duration = Duration::from_secs(10);

pub(crate) struct Rig {
    /// Names the queue, for further receivers.
    pub(crate) url: SecretString,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) proxy: Proxy,
    server: Server,
}

enum Server {
    Postgres(PgPool),
    Sqs(Box<Sqs>),
}

pub(crate) struct Sqs {
    client: Client,
    url: String,
    dead_url: String,
}

impl Rig {
    pub(crate) async fn postgres(pool: PgPool) -> Self {
        let direct = database_url(&pool);
        queue::migrate(&direct.clone().into()).await.unwrap();
        let (target, mut url) = Target::of_postgres(&direct);
        let proxy = Proxy::to(target).await;
        url.set_host(Some(&proxy.address.ip().to_string())).unwrap();
        url.set_port(Some(proxy.address.port())).unwrap();
        url.query_pairs_mut().append_pair("queue", "test");
        Self::open(url.to_string().into(), proxy, Server::Postgres(pool)).await
    }

    pub(crate) async fn sqs() -> Self {
        let (client, endpoint) = sqs_client().await;
        let name = format!("test-{}", Uuid::new_v4().simple());
        let (url, dead_url) = create(&client, &name, true).await;
        let host = endpoint.host_str().unwrap().to_owned();
        let proxy = Proxy::to(Target::Tcp(host, endpoint.port().unwrap())).await;
        let opened = format!("sqs://{name}?endpoint=http://{}", proxy.address);
        let sqs = Box::new(Sqs {
            client,
            url,
            dead_url,
        });
        Self::open(opened.into(), proxy, Server::Sqs(sqs)).await
    }

    async fn open(url: SecretString, proxy: Proxy, server: Server) -> Self {
        let queue = queue::open(&url).await.unwrap();
        Self {
            url,
            queue,
            proxy,
            server,
        }
    }

    /// As another process would have it.
    pub(crate) async fn another(&self) -> Arc<dyn Queue> {
        queue::open(&self.url).await.unwrap()
    }

    pub(crate) async fn send(&self, bodies: &[&str]) {
        let bodies: Vec<_> = bodies.iter().map(|&body| body.to_owned()).collect();
        self.queue.send(&bodies).await.unwrap();
    }

    /// The one message that there is, by now or soon.
    pub(crate) async fn one(&self, lease: Duration) -> Message {
        let mut messages = self.queue.receive(1, WAIT, lease).await.unwrap();
        assert_eq!(messages.len(), 1, "one message within {WAIT:?}");
        messages.remove(0)
    }

    pub(crate) async fn none(&self) {
        let messages = self.queue.receive(10, Duration::ZERO, LEASE).await.unwrap();
        assert!(messages.is_empty(), "{messages:?}");
    }

    /// Body and reason of each dead letter, looked up past the trait.
    pub(crate) async fn dead(&self) -> Vec<(String, Option<String>)> {
        match &self.server {
            Server::Postgres(pool) => {
                let letters =
                    "select body, reason from queue.dead_letters where queue = 'test' order by id";
                sqlx::query_as(letters).fetch_all(pool).await.unwrap()
            }
            Server::Sqs(sqs) => sqs.dead().await,
        }
    }

    /// As seen once the server's counters have caught up.
    pub(crate) async fn depth(&self, expected: Depth) {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        let mut depth = Depth::default();
        for _ in 0..100 {
            tick.tick().await;
            depth = self.queue.depth().await.unwrap();
            if depth == expected {
                return;
            }
        }
        assert_eq!(depth, expected);
    }

    pub(crate) async fn close(self) {
        if let Server::Sqs(sqs) = self.server {
            for url in [sqs.url, sqs.dead_url] {
                sqs.client
                    .delete_queue()
                    .queue_url(url)
                    .send()
                    .await
                    .unwrap();
            }
        }
    }
}

impl Sqs {
    async fn dead(&self) -> Vec<(String, Option<String>)> {
        let mut letters = Vec::new();
        loop {
            let asked = self.client.receive_message().queue_url(&self.dead_url);
            let asked = asked
                .max_number_of_messages(10)
                .message_attribute_names("All");
            let received = asked.send().await.unwrap().messages.unwrap_or_default();
            if received.is_empty() {
                return letters;
            }
            letters.extend(received.into_iter().map(|message| {
                let reason = message.message_attributes.unwrap_or_default();
                let reason = reason
                    .get("reason")
                    .and_then(|value| value.string_value.clone());
                (message.body.unwrap(), reason)
            }));
        }
    }
}

/// A client that does not go through the crate, and the address of its server.
pub(crate) async fn sqs_client() -> (Client, url::Url) {
    let endpoint = variable("LOCALSTACK_URL");
    let loader = aws_config::defaults(BehaviorVersion::latest());
    let loader = loader
        .endpoint_url(&endpoint)
        .region(Region::new("us-east-1"));
    (
        Client::new(&loader.load().await),
        url::Url::parse(&endpoint).unwrap(),
    )
}

/// Makes a queue with a dead-letter queue, joined by a redrive policy or not.
pub(crate) async fn create(client: &Client, name: &str, redrive: bool) -> (String, String) {
    let dead = client.create_queue().queue_name(format!("{name}-dead"));
    let dead = dead.send().await.unwrap().queue_url.unwrap();
    let arn = client.get_queue_attributes().queue_url(&dead);
    let arn = arn
        .attribute_names(QueueAttributeName::QueueArn)
        .send()
        .await
        .unwrap();
    let arn = arn
        .attributes
        .unwrap()
        .remove(&QueueAttributeName::QueueArn)
        .unwrap();
    let mut queue = client.create_queue().queue_name(name);
    if redrive {
        let policy = format!(
            r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"{}"}}"#,
            queue::MAX_RECEIVES
        );
        queue = queue.attributes(QueueAttributeName::RedrivePolicy, policy);
    }
    (queue.send().await.unwrap().queue_url.unwrap(), dead)
}

pub(crate) fn database_url(pool: &PgPool) -> String {
    let mut url = url::Url::parse(&variable("DATABASE_URL")).unwrap();
    url.set_path(pool.connect_options().get_database().unwrap());
    url.to_string()
}

/// Names a queue in the same database.
pub(crate) fn queue_url(pool: &PgPool, name: &str) -> String {
    let mut url = url::Url::parse(&database_url(pool)).unwrap();
    url.query_pairs_mut().append_pair("queue", name);
    url.to_string()
}

fn variable(wanted: &str) -> String {
    let found = std::env::vars().find(|(name, _)| name == wanted);
    found.unwrap_or_else(|| panic!("{wanted} is set")).1
}
