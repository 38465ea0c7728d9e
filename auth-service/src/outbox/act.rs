//! An act of this service as an entry: ids in what is kept for ever, names and addresses only in parts that can be erased.
//! Pure but for the clock.

use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::client::Client;

/// Who did it.
#[derive(Clone)]
pub(crate) struct Actor(Value);

impl Actor {
    pub(crate) fn user(id: Uuid, username: &str) -> Actor {
        Actor(json!({"type": "user", "id": id, "name": username}))
    }

    /// Somebody who did not prove who he is.
    pub(crate) fn anonymous() -> Actor {
        Actor(json!({"type": "anonymous", "id": "anonymous"}))
    }

    /// This service on its own.
    pub(crate) fn service() -> Actor {
        Actor(json!({"type": "system", "id": "auth-service"}))
    }
}

/// One entry of a `system` partition, before it has an id.
pub(crate) struct Act(Map<String, Value>);

impl Act {
    pub(crate) fn new(action: &'static str, activity: &'static str, actor: &Actor) -> Act {
        let mut entry = Map::new();
        entry.insert("partition".to_owned(), "system".into());
        entry.insert("action".to_owned(), action.into());
        entry.insert("activity".to_owned(), activity.into());
        entry.insert("actor".to_owned(), actor.0.clone());
        Act(entry)
            .at(OffsetDateTime::now_utc())
            .outcome("success", None)
    }

    /// When it happened, where that is not now.
    pub(crate) fn at(mut self, time: OffsetDateTime) -> Act {
        let text = time
            .format(&Rfc3339)
            .expect("this century's times have an RFC 3339 form");
        self.0.insert("occurred_at".to_owned(), text.into());
        self
    }

    pub(crate) fn failed(self, code: &'static str) -> Act {
        self.outcome("failure", Some(code))
    }

    fn outcome(mut self, status: &str, code: Option<&str>) -> Act {
        self.0.insert(
            "outcome".to_owned(),
            json!({"status": status, "code": code}),
        );
        self
    }

    pub(crate) fn severity(mut self, severity: &'static str) -> Act {
        self.0.insert("severity".to_owned(), severity.into());
        self
    }

    /// The name is for people, and erasable.
    pub(crate) fn target(self, kind: &str, id: Uuid, name: Option<&str>) -> Act {
        self.add_target(json!({"type": kind, "id": id, "name": name}))
    }

    pub(crate) fn signing_key(self, kid: &str) -> Act {
        self.add_target(json!({"type": "signing_key", "id": kid}))
    }

    fn add_target(mut self, target: Value) -> Act {
        match self.0.entry("targets").or_insert_with(|| json!([])) {
            Value::Array(targets) => targets.push(target),
            _ => unreachable!("targets is always an array"),
        }
        self
    }

    /// A member that changed; equal values are left out.
    pub(crate) fn changed<T: Serialize + PartialEq>(
        mut self,
        field: &str,
        old: &T,
        new: &T,
    ) -> Act {
        if old == new {
            return self;
        }
        let change = json!({"field": field, "old": old, "new": new});
        match self.0.entry("changes").or_insert_with(|| json!([])) {
            Value::Array(changes) => changes.push(change),
            _ => unreachable!("changes is always an array"),
        }
        self
    }

    pub(crate) fn metadata(mut self, metadata: Value) -> Act {
        self.0.insert("metadata".to_owned(), metadata);
        self
    }

    pub(crate) fn description(mut self, text: &str) -> Act {
        self.0.insert("description".to_owned(), text.into());
        self
    }

    pub(crate) fn from(self, client: &Client) -> Act {
        let address = client.address.map(|address| address.to_string());
        self.context(address.as_deref(), client.user_agent.as_deref())
    }

    pub(crate) fn context(mut self, address: Option<&str>, user_agent: Option<&str>) -> Act {
        self.0.insert(
            "context".to_owned(),
            json!({"ip": address, "user_agent": user_agent, "request_id": service::request::id()}),
        );
        self
    }

    /// Whether [`Act::changed`] found a difference.
    pub(crate) fn has_changes(&self) -> bool {
        self.0.contains_key("changes")
    }

    /// The JSON that is posted. Members that are null are absent (format, §1).
    pub(crate) fn entry(&self, id: Uuid) -> String {
        let mut entry = self.0.clone();
        entry.insert("id".to_owned(), json!(id));
        Value::Object(entry).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_named_in_parts_only() {
        let actor = Actor::user(Uuid::nil(), "jo");
        let act = Act::new("user.created", "create", &actor)
            .target("user", Uuid::max(), Some("ann"))
            .changed("roles", &["viewer"], &["admin"])
            .changed("name", &"Ann", &"Ann")
            .context(Some("192.0.2.1"), None);
        let entry: Value = serde_json::from_str(&act.entry(Uuid::nil())).unwrap();
        assert_eq!(entry["partition"], "system");
        assert_eq!(entry["actor"]["id"], Uuid::nil().to_string());
        assert_eq!(entry["actor"]["name"], "jo");
        assert_eq!(entry["targets"][0]["name"], "ann");
        assert_eq!(entry["changes"].as_array().unwrap().len(), 1);
        assert_eq!(entry["context"]["ip"], "192.0.2.1");
    }
}
