//! Where a tenant's documents are: names, and the aliases that lead there. Names hold the tenant's id in
//! hex, never its code, and no request uses a wildcard over names.

use std::collections::BTreeMap;
use std::hash::Hasher as _;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::http::{Http, PATIENT};
use super::mapping;
use crate::{Error, Placement, Rebuild, Settings, Which};

/// Names of one installation and form: an index of another form is one that is not there.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
    form: u32,
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
            prefix: format!("{}-{}", settings.prefix, settings.form),
            form: settings.form,
            pools: settings.pools,
        }
    }

    pub(super) fn form(&self) -> u32 {
        self.form
    }

    pub(super) fn alias(&self, tenant: Uuid, which: Which) -> String {
        let (prefix, tenant) = (&self.prefix, tenant.simple());
        match which {
            Which::Current => format!("{prefix}-{tenant}"),
            Which::Next(rebuild) => format!("{prefix}-{tenant}-{}-next", rebuild.number()),
        }
    }

    /// Leads to the next index of the tenant, whichever rebuild it is of.
    pub(super) fn next(&self, tenant: Uuid) -> String {
        format!("{}-{}-next", self.prefix, tenant.simple())
    }

    /// The alias through which a rebuild fills this place, and which no other one ever has. Once it is gone nothing is
    /// written there by the rebuild any more, and the place cannot become the current one.
    pub(super) fn filled(&self, place: &Place) -> String {
        match &place.share {
            None => format!("{}-next", place.index),
            Some(share) => format!("{}-{share}-next", self.prefix),
        }
    }

    /// Whether the place was made by this rebuild.
    pub(super) fn is_of(&self, tenant: Uuid, rebuild: Rebuild, place: &Place) -> bool {
        self.filled(place) == self.alias(tenant, Which::Next(rebuild))
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

    /// A tenant's share of the index that he shares.
    pub(super) fn share(&self, tenant: Uuid, share: &str) -> Place {
        Place {
            index: self.pool(tenant),
            share: Some(share.to_owned()),
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

impl Rebuild {
    /// As it stands in names.
    pub(super) fn number(self) -> String {
        self.0.simple().to_string()
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

    /// Makes the place, empty, with its aliases. The same again changes nothing. `false`: one of them leads
    /// to another place, and nothing was made that they lead to.
    pub(super) async fn make(
        &self,
        http: &Http,
        names: &Names,
        tenant: Uuid,
        aliases: &[&str],
    ) -> Result<bool, Error> {
        let body = match self.share {
            None => mapping::own(names.form, aliases),
            Some(_) => mapping::pool(names.form),
        };
        let made = http.put(&self.index, &body).await?;
        if made.is(TWO_FOR_WRITING) {
            return Ok(false);
        }
        if !made.is("resource_already_exists_exception") {
            made.ok()?;
        }
        if self.share.is_some() {
            let actions: Vec<_> = aliases
                .iter()
                .map(|alias| self.enter(tenant, alias))
                .collect();
            let led = http
                .post("_aliases", &json!({"actions": actions}), PATIENT)
                .await?;
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

/// Ends what fills the place, for ever: see [`Names::filled`]. Nothing where it has ended.
pub(super) async fn seal(http: &Http, names: &Names, place: &Place) -> Result<(), Error> {
    let alias = names.filled(place);
    let action = json!({"remove": {"index": place.index, "alias": alias}});
    match switch(http, vec![action]).await {
        Err(Error::Missing) => Ok(()),
        sealed => sealed,
    }
}

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
