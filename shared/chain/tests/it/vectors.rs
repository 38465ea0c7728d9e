//! Reading the vector files; what every case has.

use std::io::Read;

use chain::{Chain, Entry, Fault, Hash, Head, Link, Recorder, Salt, Stored, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

pub(crate) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/vectors/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub(crate) fn json<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    serde_json::from_slice(&bytes(name)).unwrap()
}

pub(crate) fn lines(name: &str) -> Vec<String> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes(name).as_slice())
        .read_to_string(&mut text)
        .unwrap();
    text.lines().map(str::to_owned).collect()
}

#[derive(Clone, Deserialize)]
pub(crate) struct Server {
    pub(crate) origin: String,
    pub(crate) tenant: String,
    pub(crate) partition: String,
    #[serde(default = "first")]
    pub(crate) generation: u32,
    pub(crate) seq: u64,
    pub(crate) received_at: String,
    pub(crate) recorded_by: String,
    pub(crate) previous: String,
    pub(crate) salt: String,
    pub(crate) id: Option<Uuid>,
}

fn first() -> u32 {
    1
}

/// A mark that stands for repeated text, since the case would be too long otherwise.
#[derive(Clone, Deserialize)]
pub(crate) struct Fill {
    mark: String,
    text: String,
    count: usize,
}

pub(crate) fn filled(text: &str, fill: &[Fill]) -> String {
    let mut text = text.to_owned();
    for fill in fill {
        text = text.replace(&fill.mark, &fill.text.repeat(fill.count));
    }
    text
}

impl Server {
    pub(crate) fn recorder(&self) -> Recorder<'_> {
        let (kind, id) = self.recorded_by.split_once(':').unwrap();
        Recorder { kind, id }
    }

    pub(crate) fn chain(&self) -> Chain {
        Chain {
            origin: self.origin.clone(),
            tenant: self.tenant.clone(),
            partition: self.partition.clone(),
            generation: self.generation,
        }
    }

    /// The head just before the entry; its genesis value is computed, not read.
    pub(crate) fn head(&self) -> Head {
        let chain = self.chain();
        if self.seq == 0 {
            assert_eq!(chain.genesis().to_string(), self.previous);
            return Head::empty(&chain);
        }
        Head {
            size: self.seq,
            hash: self.previous.parse().unwrap(),
            received_at: Timestamp::FIRST,
        }
    }

    pub(crate) fn parse(&self, posted: &str) -> Result<Entry, Vec<Fault>> {
        let new_id = self.id.unwrap_or(Uuid::max());
        Entry::parse(posted.as_bytes(), self.recorder(), new_id)
    }

    pub(crate) fn link(&self, entry: &Entry) -> Link {
        let received_at = self.received_at.parse().unwrap();
        let salt: Salt = self.salt.parse().unwrap();
        self.head().link(&self.tenant, entry, salt, received_at)
    }

    pub(crate) fn store(&self, entry: &Entry) -> Stored {
        Stored::new(&self.chain(), entry, &self.link(entry))
    }
}

#[derive(Deserialize)]
pub(crate) struct WholeChain {
    pub(crate) header: Header,
    pub(crate) hashes: Vec<Hash256>,
    pub(crate) vectors: Vec<crate::entries::Case>,
}

#[derive(Deserialize)]
pub(crate) struct Header {
    pub(crate) size: usize,
    pub(crate) recorded_by: String,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Hash256(pub(crate) Hash);

impl TryFrom<String> for Hash256 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_| format!("not a hash: {text}"))
    }
}

/// The chain of the vectors, rebuilt from the posted texts.
pub(crate) fn rebuilt() -> (Chain, Vec<Stored>) {
    use sha2::{Digest, Sha256};
    let whole: WholeChain = json("chain.json");
    let chain = Chain {
        origin: "audit.example.com".to_owned(),
        tenant: "acme".to_owned(),
        partition: "default".to_owned(),
        generation: 1,
    };
    let (kind, id) = whole.header.recorded_by.split_once(':').unwrap();
    let start: Timestamp = "2026-01-15T10:30:00Z".parse().unwrap();
    let mut head = Head::empty(&chain);
    let rows = lines("chain-posted.jsonl.gz")
        .iter()
        .zip(0_i64..)
        .map(|(posted, seq)| {
            let entry =
                Entry::parse(posted.as_bytes(), Recorder { kind, id }, Uuid::max()).unwrap();
            let salt = Sha256::digest(format!("salt{seq}"))[..16]
                .try_into()
                .unwrap();
            let received_at =
                Timestamp::from_micros(start.as_micros() + seq / 4 * 250_100).unwrap();
            let link = head.link(&chain.tenant, &entry, Salt(salt), received_at);
            Stored::new(&chain, &entry, &link)
        })
        .collect();
    (chain, rows)
}
