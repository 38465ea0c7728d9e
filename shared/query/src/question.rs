//! A whole question: filter, order, page size and cursor, read from a URL's query with every
//! place that is wrong. It never answers one.

use std::collections::{BTreeMap, HashSet};

use crate::urlencoded::{pairs, shown};
use crate::{Cursor, Fault, Filter, Order};

/// Entries of a page when the reader does not say.
pub const DEFAULT_LIMIT: usize = 100;
/// The most entries that a page can have.
pub const MAX_LIMIT: usize = 1_000;

/// What a reader asks for on one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub filter: Filter,
    pub order: Order,
    /// 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// Where the page before ended; absent on the first page. It belongs to this filter and order.
    pub cursor: Option<Cursor>,
    /// The answer waits until this entry of the partition asked for is found.
    pub wait_for: Option<u64>,
}

impl Question {
    /// Reads a URL's query (without its `?`), which may be empty.
    ///
    /// # Errors
    /// Every place that is wrong: unknown or repeated parameters, values outside their rule, and a
    /// cursor that is malformed or was given for another filter or order.
    pub fn parse(query: &str) -> Result<Self, Vec<Fault>> {
        let (filter, beside, mut faults) = read(query, &["order", "limit", "cursor", "wait_for"])?;
        let (mut order, mut limit) = (Order::default(), DEFAULT_LIMIT);
        if let Some(asked) = beside.get("limit") {
            match asked.parse::<usize>() {
                Ok(number) if (1..=MAX_LIMIT).contains(&number) => limit = number,
                _ => faults.push(Fault::new("limit", "not a number from 1 to 1000")),
            }
        }
        match beside.get("order").map(String::as_str) {
            Some("asc") => order = Order::Ascending,
            None | Some("desc") => {}
            Some(_) => faults.push(Fault::new("order", "neither `asc` nor `desc`")),
        }
        let wait_for = beside.get("wait_for").map(|asked| asked.parse::<u64>());
        match wait_for {
            Some(Err(_)) => faults.push(Fault::new("wait_for", "not the seq of an entry")),
            Some(Ok(_)) if filter.partition().is_none() => {
                faults.push(Fault::new("wait_for", "needs `partition`"));
            }
            _ => {}
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let cursor = beside
            .get("cursor")
            .map(|text| Cursor::decode(text, &filter, order))
            .transpose()
            .map_err(|fault| vec![fault])?;
        Ok(Self {
            filter,
            order,
            limit,
            cursor,
            wait_for: wait_for.and_then(Result::ok),
        })
    }
}

impl Filter {
    /// Reads a URL's query (without its `?`), which may be empty. Parameters named in `beside` are no
    /// conditions: they are given back as they stand, for the route to read.
    ///
    /// # Errors
    /// Every place that is wrong: unknown or repeated parameters, and values outside their rule.
    pub fn parse(
        query: &str,
        beside: &[&str],
    ) -> Result<(Self, BTreeMap<String, String>), Vec<Fault>> {
        let (filter, others, faults) = read(query, beside)?;
        if faults.is_empty() {
            Ok((filter, others))
        } else {
            Err(faults)
        }
    }
}

type Read = (Filter, BTreeMap<String, String>, Vec<Fault>);

/// The error is a query that cannot be taken apart at all.
fn read(query: &str, beside: &[&str]) -> Result<Read, Vec<Fault>> {
    let mut filter = Filter::default();
    let mut others = BTreeMap::new();
    let mut faults = Vec::new();
    let mut seen = HashSet::new();
    for (name, value) in pairs(query).map_err(|fault| vec![fault])? {
        let fault = |message| Fault::new(&shown(&name), message);
        if !seen.insert(name.clone()) {
            faults.push(fault("given twice"));
        } else if beside.contains(&name.as_str()) {
            others.insert(name, value);
        } else {
            match filter.take(&name, value) {
                Ok(true) => {}
                Ok(false) => faults.push(fault("unknown parameter")),
                Err(refused) => faults.push(refused),
            }
        }
    }
    faults.extend(filter.check().err());
    Ok((filter, others, faults))
}
