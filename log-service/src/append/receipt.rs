//! Receipts as JSON, written by hand: this is half of what the hot path allocates. Every value is
//! one that needs no escaping.

use std::fmt::Write as _;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use ledger::Receipt;
use service::ApiError;

/// A receipt with a partition name of usual length.
const TYPICAL: usize = 320;

pub(super) fn one(receipts: &[Receipt]) -> Result<Response, ApiError> {
    let [receipt] = receipts else {
        let many = anyhow::anyhow!("{} receipts for one entry", receipts.len());
        return Err(ApiError::Internal(many));
    };
    let mut body = String::with_capacity(TYPICAL);
    write(&mut body, receipt);
    Ok(response(receipts, body))
}

pub(super) fn many(receipts: &[Receipt]) -> Response {
    let mut body = String::with_capacity(20 + receipts.len() * TYPICAL);
    body.push_str("{\"receipts\":[");
    for (index, receipt) in receipts.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        write(&mut body, receipt);
    }
    body.push_str("]}");
    response(receipts, body)
}

fn write(out: &mut String, receipt: &Receipt) {
    let Receipt {
        id,
        partition,
        seq,
        received_at,
        hash,
        previous,
        repeated,
    } = receipt;
    write!(
        out,
        r#"{{"id":"{id}","partition":"{partition}","seq":{seq},"received_at":"{received_at}","hash":"{hash}","previous":"{previous}""#
    )
    .expect("a string takes everything");
    out.push_str(if *repeated {
        ",\"repeated\":true}"
    } else {
        "}"
    });
}

/// 200 when nothing was added, since every entry had been there.
fn response(receipts: &[Receipt], body: String) -> Response {
    let status = if receipts.iter().all(|receipt| receipt.repeated) {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body).into_response()
}
