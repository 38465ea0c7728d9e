//! JSON objects from a file or standard input, on a thread of their own, since
//! reading blocks. It holds a bounded number of entries at a time.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::Context as _;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::posting::{Posted, with_id};

/// Entries waiting to be posted: a quarter of a batch.
const WAITING: usize = 256;

/// Objects one after another, on lines of their own or not. Ends after the first
/// that is broken, since where the next one begins is anybody's guess then.
pub(super) fn read(
    file: Option<&Path>,
    partition: Option<String>,
) -> anyhow::Result<mpsc::Receiver<anyhow::Result<Posted>>> {
    let input: Box<dyn Read + Send> = match file {
        Some(path) => {
            Box::new(File::open(path).with_context(|| format!("cannot open {}", path.display()))?)
        }
        None => Box::new(std::io::stdin()),
    };
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let input = serde_json::Deserializer::from_reader(BufReader::new(input));
        for (number, object) in input.into_iter::<Box<RawValue>>().enumerate() {
            let source = format!("entry {}", number + 1);
            let entry = match object {
                Ok(object) => with_id(source, object.get(), partition.as_deref()),
                Err(error) => Err(anyhow::anyhow!("{source}: {error}")),
            };
            let broken = entry.is_err();
            // Nobody waits for more when posting has failed.
            if sender.blocking_send(entry).is_err() || broken {
                return;
            }
        }
    });
    Ok(receiver)
}
