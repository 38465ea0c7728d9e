//! Where a reader's credential comes from: the `Authorization` header, a subprotocol (browsers can
//! set no header on a WebSocket) or the first message. Never the address, which ends up in logs.

use axum::http::{HeaderMap, header};
use secrecy::SecretString;
use serde::Deserialize;
use service::ApiError;

/// The subprotocol that is spoken, and the only one that is ever answered.
pub(super) const PROTOCOL: &str = "veritrail.stream.v1";
/// Before the credential, among the subprotocols that are offered.
const BEARER: &str = "bearer.";

/// The credential among the offered subprotocols. Two of them, or one beside a header, are refused:
/// it must be clear who asks.
pub(super) fn offered(headers: &HeaderMap) -> Result<Option<SecretString>, ApiError> {
    let mut found = None;
    for value in headers.get_all(header::SEC_WEBSOCKET_PROTOCOL) {
        for protocol in value.as_bytes().split(|byte| *byte == b',') {
            let Ok(protocol) = str::from_utf8(protocol.trim_ascii()) else {
                continue;
            };
            let Some(credential) = protocol.strip_prefix(BEARER) else {
                continue;
            };
            let second = found.replace(SecretString::from(credential)).is_some();
            if second || headers.contains_key(header::AUTHORIZATION) {
                let code = "bad_credential";
                return Err(ApiError::Unauthorized { code });
            }
        }
    }
    Ok(found)
}

/// What a client may say: who it is, or for how much longer it may go on.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Message {
    Auth { token: String },
}

/// The credential of a client's message; `None` when it is none of the stream's.
pub(super) fn said(text: &str) -> Option<SecretString> {
    let Message::Auth { token } = serde_json::from_str(text).ok()?;
    Some(token.into())
}
