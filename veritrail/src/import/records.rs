//! CloudTrail's records from files, `{"Records": […]}` or a bare array, plain or
//! gzip, one record in memory at a time, on a thread of their own since reading
//! blocks.

use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::bufread::MultiGzDecoder;
use indicatif::ProgressBar;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::cloudtrail;
use crate::posting::{Posted, Rejected};

/// Records waiting to be posted.
const WAITING: usize = 256;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A record that became an entry, or cannot become one.
pub(super) enum Record {
    Entry(Posted),
    Rejected(Rejected),
}

/// Bytes of all files, as they are on the disk.
pub(super) fn size(files: &[PathBuf]) -> anyhow::Result<u64> {
    files.iter().try_fold(0, |sum, path| {
        let file =
            std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(sum + file.len())
    })
}

/// The records of the files, in order. The bar follows the bytes read. Ends
/// after the first file that is broken.
pub(super) fn read(
    files: Vec<PathBuf>,
    partition: Option<String>,
    bar: ProgressBar,
) -> mpsc::Receiver<anyhow::Result<Record>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        for path in files {
            let mut sink = Sink {
                path: &path,
                number: 0,
                partition: partition.as_deref(),
                sender: &sender,
            };
            if let Err(error) = file(&path, &bar, &mut sink) {
                let error = error.context(format!("cannot read {}", path.display()));
                let _ = sender.blocking_send(Err(error));
                return;
            }
        }
    });
    receiver
}

fn file(path: &Path, bar: &ProgressBar, sink: &mut Sink<'_>) -> anyhow::Result<()> {
    let mut file = BufReader::new(bar.wrap_read(File::open(path)?));
    let packed = file.fill_buf()?.starts_with(&GZIP);
    let input: Box<dyn Read> = if packed {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(input));
    (&mut json).deserialize_any(Document(sink))?;
    json.end()?;
    Ok(())
}

/// Where the records of a file go.
struct Sink<'a> {
    path: &'a Path,
    number: u64,
    partition: Option<&'a str>,
    sender: &'a mpsc::Sender<anyhow::Result<Record>>,
}

impl Sink<'_> {
    /// `false` when nobody wants more.
    fn take(&mut self, record: &str) -> bool {
        self.number += 1;
        let source = format!("{}: record {}", self.path.display(), self.number);
        let record = match cloudtrail::entry(record, self.partition) {
            Ok(text) => Record::Entry(Posted {
                source,
                text,
                partition: self.partition.map(str::to_owned),
            }),
            Err(error) => Record::Rejected(Rejected {
                source,
                reason: error.to_string(),
            }),
        };
        self.sender.blocking_send(Ok(record)).is_ok()
    }
}

/// The whole file.
struct Document<'a, 'b>(&'a mut Sink<'b>);

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(r#"{"Records": […]} or an array of records"#)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(name) = map.next_key::<String>()? {
            if name == "Records" {
                found = true;
                map.next_value_seed(Records(self.0))?;
            } else {
                map.next_value::<serde::de::IgnoredAny>()?;
            }
        }
        if found {
            Ok(())
        } else {
            Err(A::Error::custom("no \"Records\""))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        Records(self.0).visit_seq(seq)
    }
}

/// The array of records.
struct Records<'a, 'b>(&'a mut Sink<'b>);

impl<'de> DeserializeSeed<'de> for Records<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Records<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(record) = seq.next_element::<Box<RawValue>>()? {
            if !self.0.take(record.get()) {
                return Err(A::Error::custom("not all was wanted"));
            }
        }
        Ok(())
    }
}
