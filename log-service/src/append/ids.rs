//! Ids of entries that carry none of their own: fresh ones, and those of the `Idempotency-Key`
//! header. It never replaces an id that the body gives.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::OptionalFromRequestParts;
use axum::http::request::Parts;
use rand::Rng as _;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use service::{ApiError, Principal};
use uuid::{Builder, Uuid};

use super::Shape;

/// Version 7 (RFC 9562 §5.7). From the thread's generator, which the operating system seeds: asking
/// the system itself for each would cost as much as hashing the entry.
pub(super) fn fresh() -> Uuid {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since_epoch.map_or(0, |time| time.as_millis());
    let mut random = [0; 10];
    rand::rng().fill_bytes(&mut random);
    let millis = u64::try_from(millis).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// As the header was sent: 1 to 255 visible ASCII characters.
pub(crate) struct IdempotencyKey(String);

const HEADER: &str = "idempotency-key";
const PLACE: &str = "header.idempotency-key";

impl<S: Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, ApiError> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(ApiError::invalid(PLACE, "given twice"));
        }
        match value.to_str() {
            Ok(key)
                if (1..=255).contains(&key.len())
                    && key.bytes().all(|byte| byte.is_ascii_graphic()) =>
            {
                Ok(Some(Self(key.to_owned())))
            }
            _ => Err(ApiError::invalid(
                PLACE,
                "not 1 to 255 visible ASCII characters",
            )),
        }
    }
}

impl IdempotencyKey {
    /// Version 5 within a namespace that is the principal's own, so that two backends of a tenant
    /// that choose the same key do not take each other's ids.
    fn id(&self, principal: Principal, index: usize) -> Uuid {
        self.derived(principal, &index.to_string())
    }

    /// Of the one thing of this kind that a request makes; kinds do not take each other's ids.
    pub(crate) fn derived(&self, principal: Principal, kind: &str) -> Uuid {
        /// Made once for this purpose; changing it would let repeated requests store twice.
        const NAMESPACE: Uuid = Uuid::from_u128(0x7f0c_51b6_3f0e_5c7b_9a55_2f6e_d2b1_84c9);
        let own = Uuid::new_v5(&NAMESPACE, principal.id.as_bytes());
        Uuid::new_v5(&own, format!("{kind}\n{}", self.0).as_bytes())
    }

    /// The body with an id in each entry that has none, where a caller would have put it: then it
    /// is given, and what may be there already is looked up. `None` for what is not even JSON,
    /// which the parser of the format then names.
    pub(super) fn fill(&self, body: &[u8], principal: Principal, shape: Shape) -> Option<Vec<u8>> {
        match shape {
            Shape::One => {
                let mut entry: Members<'_> = serde_json::from_slice(body).ok()?;
                entry.fill(self.id(principal, 0))?;
                serde_json::to_vec(&entry).ok()
            }
            Shape::Bulk => {
                let mut request: Members<'_> = serde_json::from_slice(body).ok()?;
                let (_, entries) = request.0.iter_mut().find(|(name, _)| name == "entries")?;
                let mut list: Vec<Members<'_>> = serde_json::from_str(entries.get()).ok()?;
                for (index, entry) in list.iter_mut().enumerate() {
                    entry.fill(self.id(principal, index))?;
                }
                *entries = Member::Made(to_raw_value(&list).ok()?);
                serde_json::to_vec(&request).ok()
            }
        }
    }
}

/// The members of an object in their order, values as they were written, duplicates kept.
struct Members<'a>(Vec<(String, Member<'a>)>);

enum Member<'a> {
    Posted(&'a RawValue),
    Made(Box<RawValue>),
}

impl Member<'_> {
    fn get(&self) -> &str {
        match self {
            Self::Posted(value) => value.get(),
            Self::Made(value) => value.get(),
        }
    }
}

impl Members<'_> {
    fn fill(&mut self, id: Uuid) -> Option<()> {
        let made = Member::Made(to_raw_value(&id).ok()?);
        match self.0.iter_mut().find(|(name, _)| name == "id") {
            // Both are how the format says "absent".
            Some((_, value)) if matches!(value.get(), "null" | "\"\"") => *value = made,
            Some(_) => {}
            None => self.0.push(("id".to_owned(), made)),
        }
        Some(())
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((name, Member::Posted(value)));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            match value {
                Member::Posted(value) => object.serialize_entry(name, value)?,
                Member::Made(value) => object.serialize_entry(name, value)?,
            }
        }
        object.end()
    }
}
