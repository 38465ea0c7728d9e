//! Where a tenant's documents are: names, and the aliases that lead there. Names hold the tenant's id in
//! hex, never its code, and no request uses a wildcard over names.

use std::collections::BTreeMap;
use std::hash::Hasher as _;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::http::{Http, PATIENT};
use super::mapping;
use crate::{Error, Placement, Settings, Which};

/// Names of one installation and form: an index of another form is one that is not there.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
    pools: u16,
}

/// One index of a tenant, or its share of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: String,
    /// Of a share: what its documents name as their owner.
    pub(super) share: Option<String>,
}

#[derive(Deserialize)]
struct Aliased {
    aliases: BTreeMap<String, Alias>,
}

#[derive(Deserialize)]
struct Alias {
    filter: Option<Value>,
}

impl Names {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            prefix: format!("{}-{}", settings.prefix, mapping::FORM),
            pools: settings.pools,
        }
    }

    pub(super) fn alias(&self, tenant: Uuid, which: Which) -> String {
        let (prefix, tenant) = (&self.prefix, tenant.simple());
        match which {
            Which::Current => format!("{prefix}-{tenant}"),
            Which::Next => format!("{prefix}-{tenant}-next"),
        }
    }

    /// `number` tells the indices of a tenant apart that follow one another.
    pub(super) fn place(&self, tenant: Uuid, placement: Placement, number: &str) -> Place {
        let name = format!("{}-{number}", tenant.simple());
        match placement {
            Placement::Own => Place {
                index: format!("{}-{name}", self.prefix),
                share: None,
            },
            Placement::Pooled => Place {
                index: self.pool(tenant),
                share: Some(name),
            },
        }
    }

    pub(super) fn pool(&self, tenant: Uuid) -> String {
        // FNV-1a, since the pool of a tenant must be the same for ever.
        let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
        hash.write(tenant.as_bytes());
        let number = hash.finish() % u64::from(self.pools.max(1));
        format!("{}-pool-{number}", self.prefix)
    }
}

struct Fnv(u64);

impl std::hash::Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Place {
    /// The document's id; unique in the whole index.
    pub(super) fn id(&self, partition: &str, generation: u32, seq: u64) -> String {
        match &self.share {
            Some(owner) => format!("{owner}/{partition}/{generation}/{seq}"),
            None => format!("{partition}/{generation}/{seq}"),
        }
    }

    /// What makes the alias lead here. A share's alias finds and reaches nothing else.
    fn alias(&self, tenant: Uuid, alias: &str) -> Value {
        let mut action = json!({"index": self.index, "alias": alias, "is_write_index": true});
        if let Some(owner) = &self.share {
            action["filter"] = json!({"term": {"owner": owner}});
            action["routing"] = json!(tenant.simple().to_string());
        }
        action
    }

    /// Makes the place, empty, with its alias. The same again changes nothing. `false`: the alias leads
    /// to another place, and nothing was made that it leads to.
    pub(super) async fn make(&self, http: &Http, tenant: Uuid, alias: &str) -> Result<bool, Error> {
        let body = match self.share {
            None => mapping::own(alias),
            Some(_) => mapping::pool(),
        };
        let made = http.put(&self.index, &body).await?;
        if made.is(TWO_FOR_WRITING) {
            return Ok(false);
        }
        if !made.is("resource_already_exists_exception") {
            made.ok()?;
        }
        if self.share.is_some() {
            let body = json!({"actions": [{"add": self.alias(tenant, alias)}]});
            let led = http.post("_aliases", &body, PATIENT).await?;
            if led.is(TWO_FOR_WRITING) {
                return Ok(false);
            }
            led.ok()?;
        }
        Ok(true)
    }

    /// Takes the place from under its alias.
    pub(super) fn leave(&self, alias: &str) -> Value {
        match self.share {
            None => json!({"remove_index": {"index": self.index}}),
            Some(_) => json!({"remove": {"index": self.index, "alias": alias}}),
        }
    }

    pub(super) fn enter(&self, tenant: Uuid, alias: &str) -> Value {
        json!({"add": self.alias(tenant, alias)})
    }
}

/// What OpenSearch answers when an alias would have two indices for writing.
const TWO_FOR_WRITING: &str = "illegal_state_exception";

/// All or nothing, at once for everybody.
pub(super) async fn switch(http: &Http, actions: Vec<Value>) -> Result<(), Error> {
    if actions.is_empty() {
        return Ok(());
    }
    let body = json!({"actions": actions});
    http.post("_aliases", &body, PATIENT).await?.ok()
}

/// Where an alias leads, if it is there.
pub(super) async fn find(http: &Http, alias: &str) -> Result<Option<Place>, Error> {
    let mut places = all(http, alias).await?;
    let place = places.pop();
    if !places.is_empty() {
        let two = anyhow::anyhow!("{alias} leads to two indices");
        return Err(Error::Outdated(two));
    }
    Ok(place)
}

/// Everywhere an alias leads: to one place, unless somebody made it lead to more by hand.
pub(super) async fn all(http: &Http, alias: &str) -> Result<Vec<Place>, Error> {
    let answer = http.get(&format!("_alias/{alias}"), PATIENT).await?;
    if answer.status == 404 {
        return Ok(Vec::new());
    }
    let found: BTreeMap<String, Aliased> = answer.read()?;
    let places = found.into_iter().map(|(index, aliased)| {
        let filter = aliased.aliases.get(alias).and_then(|a| a.filter.as_ref());
        // As it was sent, or with its defaults written out.
        let share = filter.map(|filter| {
            let term = &filter["term"]["owner"];
            let text = term.as_str().or(term["value"].as_str());
            text.unwrap_or_default().to_owned()
        });
        Place { index, share }
    });
    Ok(places.collect())
}
