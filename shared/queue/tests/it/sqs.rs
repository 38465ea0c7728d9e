//! What only SQS can be: a queue that is set up wrongly.

use queue::Error;
use uuid::Uuid;

use crate::rig::{create, sqs_client};

#[tokio::test]
async fn a_queue_without_dead_letters_is_refused() {
    let (client, endpoint) = sqs_client().await;
    let name = format!("test-{}", Uuid::new_v4().simple());
    let url = format!("sqs://{name}?endpoint={endpoint}").into();
    let Err(Error::NoQueue(missing)) = queue::open(&url).await else {
        panic!("there is no such queue");
    };
    assert_eq!(missing, name);
    let (main, dead) = create(&client, &name, false).await;
    let Err(error) = queue::open(&url).await else {
        panic!("the queue has no dead-letter queue");
    };
    assert_eq!(
        error.to_string(),
        format!("the queue {name} has no dead-letter queue: give it a redrive policy")
    );
    for queue in [main, dead] {
        client.delete_queue().queue_url(queue).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_url_that_names_no_queue_says_why() {
    for url in [
        "sqs://",
        "sqs://a.fifo",
        "sqs://a/b",
        "sqs://a?endpint=x",
        "redis://a",
        "a",
        "postgres://localhost/db",
        "postgres://localhost/db?queue=A",
        "postgres://localhost/db?queue=",
    ] {
        let opened = queue::open(&url.into()).await;
        assert!(matches!(opened, Err(Error::InvalidUrl(_))), "{url}");
    }
}
