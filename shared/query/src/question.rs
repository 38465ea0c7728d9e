//! A whole question: filter, order, page size and cursor, read from a URL's query with every
//! place that is wrong. It never answers one.

use std::collections::HashSet;

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
}

impl Question {
    /// Reads a URL's query (without its `?`), which may be empty.
    ///
    /// # Errors
    /// Every place that is wrong: unknown or repeated parameters, values outside their rule, and a
    /// cursor that is malformed or was given for another filter or order.
    pub fn parse(query: &str) -> Result<Self, Vec<Fault>> {
        let mut filter = Filter::default();
        let mut order = Order::default();
        let mut limit = DEFAULT_LIMIT;
        let mut cursor = None;
        let mut faults = Vec::new();
        let mut seen = HashSet::new();
        for (name, value) in pairs(query).map_err(|fault| vec![fault])? {
            let fault = |message| Fault::new(&shown(&name), message);
            if !seen.insert(name.clone()) {
                faults.push(fault("given twice"));
                continue;
            }
            match name.as_str() {
                "order" => match value.as_str() {
                    "asc" => order = Order::Ascending,
                    "desc" => order = Order::Descending,
                    _ => faults.push(fault("neither `asc` nor `desc`")),
                },
                "limit" => match value.parse::<usize>() {
                    Ok(number) if (1..=MAX_LIMIT).contains(&number) => limit = number,
                    _ => faults.push(fault("not a number from 1 to 1000")),
                },
                "cursor" => cursor = Some(value),
                _ => match filter.take(&name, value) {
                    Ok(true) => {}
                    Ok(false) => faults.push(fault("unknown parameter")),
                    Err(refused) => faults.push(refused),
                },
            }
        }
        faults.extend(filter.check().err());
        if !faults.is_empty() {
            return Err(faults);
        }
        let cursor = cursor
            .map(|text| Cursor::decode(&text, &filter, order))
            .transpose()
            .map_err(|fault| vec![fault])?;
        Ok(Self {
            filter,
            order,
            limit,
            cursor,
        })
    }
}
