//! What a queue tells whoever watches over it.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::{Depth, Error, Queue};

const DEAD_LETTERS: &str = "queue_dead_letters_total";
const MESSAGES: &str = "queue_messages";

pub(crate) fn describe() {
    describe_counter!(
        DEAD_LETTERS,
        "Messages that this process put to the dead letters"
    );
    describe_gauge!(
        MESSAGES,
        "Messages of a queue by what they are: waiting, leased or dead"
    );
}

pub(crate) fn buried(queue: &str, count: u64) {
    counter!(DEAD_LETTERS, "queue" => queue.to_owned()).increment(count);
}

/// Asks for the depth and publishes it as the gauges `queue_messages`. For one process of a queue, every now and
/// then: SQS takes two calls for it.
pub async fn measure(queue: &dyn Queue) -> Result<Depth, Error> {
    let depth = queue.depth().await?;
    let parts = [
        ("waiting", depth.waiting),
        ("leased", depth.leased),
        ("dead", depth.dead),
    ];
    for (state, count) in parts {
        let labels = [
            ("queue", queue.name().to_owned()),
            ("state", state.to_owned()),
        ];
        #[expect(clippy::cast_precision_loss, reason = "a metric")]
        gauge!(MESSAGES, &labels).set(count as f64);
    }
    Ok(depth)
}
