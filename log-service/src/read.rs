//! Reading the trail: lists and single entries, in reading form. What a reader may not see is left
//! out here, and nowhere else: other tenants, the partition `system`, personal parts.

mod asking;
pub(crate) mod extent;
mod find;
mod found;
pub(crate) mod get;
pub(crate) mod list;
mod page;
mod row;
pub(crate) mod stats;
pub(crate) mod wait;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use chain::Mask;
use service::{Caller, Permission};

use crate::access_record::SYSTEM;

pub(crate) fn mask(caller: &Caller) -> Mask {
    if caller.may(Permission::ReadPersonal) {
        Mask::Nothing
    } else {
        Mask::Personal
    }
}

/// Whether the caller may know what is in this partition of his tenant.
pub(crate) fn visible(caller: &Caller, partition: &str) -> bool {
    partition != SYSTEM || caller.may(Permission::ReadSystem)
}

/// Canonical text as it is; it may hold personal parts, so nobody on the way keeps it.
pub(crate) fn json(body: String) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, body).into_response()
}
