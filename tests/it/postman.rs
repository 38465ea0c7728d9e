//! The Postman collection against the table of routes: none is missing there, and none is there that
//! is not.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::routes::{ACCOUNTS, OPEN, listed};

const COLLECTION: &str = include_str!("../../postman/veritrail.postman_collection.json");

/// `METHOD /path` of every request, with `{}` for what stands in the place of a variable.
fn requests(items: &Value, found: &mut BTreeSet<String>) {
    for item in items.as_array().unwrap() {
        if let Some(inner) = item.get("item") {
            requests(inner, found);
            continue;
        }
        let request = &item["request"];
        let path = request["url"]["path"].as_array().unwrap().iter();
        let path: Vec<_> = path.map(|part| part.as_str().unwrap()).collect();
        let method = request["method"].as_str().unwrap();
        found.insert(format!("{method} /{}", path.join("/")));
    }
}

/// Whether a request is one of this route: what is a place in the route is anything in the request.
fn is_of(request: &str, route: &str) -> bool {
    let (mut asked, mut known) = (request.split('/'), route.split('/'));
    loop {
        match (asked.next(), known.next()) {
            (None, None) => return true,
            (Some(_), Some(place)) if place.starts_with('{') => {}
            (Some(part), Some(name)) if part == name => {}
            _ => return false,
        }
    }
}

#[test]
fn the_collection_covers_every_route() {
    let collection: Value = serde_json::from_str(COLLECTION).unwrap();
    let mut requests = BTreeSet::new();
    self::requests(&collection["item"], &mut requests);
    let open = OPEN
        .iter()
        .chain([&ACCOUNTS])
        .map(|path| format!("GET {}", path.trim_end_matches('/')));
    let routes: Vec<_> = listed().chain(open).collect();
    for route in &routes {
        let asked = requests.iter().any(|request| is_of(request, route));
        assert!(asked, "the collection does not ask {route}");
    }
    for request in &requests {
        // `/api/v1/logs/{id}` would be every other path there too.
        let known = routes.iter().any(|route| is_of(request, route));
        assert!(known, "{request} of the collection is no route");
    }
}
