//! The very requests that go to an OpenSearch, for whoever measures how long it takes by itself. Nothing
//! here sends one.

use query::Document;
use uuid::Uuid;

use super::place::Names;
use super::{ask, bulk, mapping};
use crate::{Ask, Placement, Settings, Which};

/// A request: method, path with its query, and body, which is JSON or lines of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub body: String,
}

/// The alias of a tenant's index, and so the path of everything that is asked of it.
pub fn alias(settings: &Settings, tenant: Uuid) -> String {
    Names::new(settings).alias(tenant, Which::Current)
}

/// Makes the first index of a tenant: the settings and mapping of all others.
pub fn create(settings: &Settings, tenant: Uuid) -> Request {
    let names = Names::new(settings);
    let body = mapping::own(settings.form, &[&names.alias(tenant, Which::Current)]);
    Request {
        method: "PUT",
        path: names.place(tenant, Placement::Own, super::FIRST).index,
        body: body.to_string(),
    }
}

/// Writes documents into it.
pub fn bulks(settings: &Settings, tenant: Uuid, documents: &[Document]) -> Vec<Request> {
    let names = Names::new(settings);
    let alias = names.alias(tenant, Which::Current);
    let place = names.place(tenant, Placement::Own, super::FIRST);
    let requests = bulk::bodies(&place, documents).map(|(body, _)| Request {
        method: "POST",
        path: bulk::path(&alias),
        body,
    });
    requests.collect()
}

/// Asks for a page; `None`: nothing is asked, since nothing can be found.
pub fn page(settings: &Settings, tenant: Uuid, ask: &Ask<'_>) -> Option<Request> {
    Some(Request {
        method: "POST",
        path: ask::path(&alias(settings, tenant)),
        body: ask::page(ask)?.to_string(),
    })
}
