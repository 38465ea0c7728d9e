//! What the simulated clients post. Parsed once, since parsing is not what is tested here.

use std::sync::{Arc, OnceLock};

use chain::{Entry, Recorder};
use uuid::Uuid;

pub(crate) const PARTITIONS: [&str; 3] = ["default", "orders", "missing"];
pub(crate) const TENANTS: [Uuid; 2] = [Uuid::from_u128(1), Uuid::from_u128(2)];
const OWN_IDS: u128 = 6;
const CONTENTS: usize = 2;
const FRESH: u128 = 256;

pub(crate) fn code(tenant: Uuid) -> &'static str {
    if tenant == TENANTS[0] {
        "acme"
    } else {
        "acme-eu"
    }
}

pub(crate) struct Entries {
    /// By partition, own id and content.
    own: Vec<Entry>,
    /// By partition: ids that the server made.
    fresh: Vec<Vec<Entry>>,
}

pub(crate) fn entries() -> &'static Arc<Entries> {
    static ENTRIES: OnceLock<Arc<Entries>> = OnceLock::new();
    ENTRIES.get_or_init(|| Arc::new(Entries::parse()))
}

impl Entries {
    fn parse() -> Self {
        let parse = |partition: &str, id: &str, name: usize, new_id: u128| {
            let posted = format!(
                r#"{{{id}"partition":"{partition}","action":"a.b","actor":{{"type":"user","id":"u","name":"{name}"}}}}"#
            );
            let recorder = Recorder {
                kind: "service",
                id: "1",
            };
            Entry::parse(posted.as_bytes(), recorder, Uuid::from_u128(new_id)).unwrap()
        };
        let mut own = Vec::new();
        let mut fresh = Vec::new();
        for (place, partition) in PARTITIONS.iter().enumerate() {
            for id in 0..OWN_IDS {
                let id = format!(r#""id":"{}","#, Uuid::from_u128(0x100 + id));
                own.extend((0..CONTENTS).map(|content| parse(partition, &id, content, 0)));
            }
            let first = 0x1_0000 * (place as u128 + 1);
            let made = (0..FRESH).map(|n| parse(partition, "", 0, first + n));
            fresh.push(made.collect());
        }
        Self { own, fresh }
    }

    pub(crate) fn own(&self, partition: usize, random: usize) -> &Entry {
        let each = usize::try_from(OWN_IDS).unwrap() * CONTENTS;
        &self.own[partition * each + random % each]
    }

    /// The `number`th entry of a run with an id of the server's.
    pub(crate) fn fresh(&self, partition: usize, number: usize) -> &Entry {
        let made = &self.fresh[partition];
        assert!(number < made.len(), "a run posts fewer entries");
        &made[number]
    }
}
