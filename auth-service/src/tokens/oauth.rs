//! `POST /oauth/token`: the client credentials grant (RFC 6749 §4.4). Errors are in the form of its §5.2, as OAuth clients expect.

use axum::extract;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use service::extract::Json;
use service::{ApiError, Scopes, body::Upload};
use url::form_urlencoded;
use uuid::Uuid;

use super::exchange;
use crate::State;

const FORM_LIMIT: usize = 16 * 1024;

/// The form, for OpenAPI.
#[derive(utoipa::ToSchema)]
#[expect(
    dead_code,
    clippy::struct_field_names,
    reason = "describes the form for OpenAPI, with RFC 6749's names; it is read as pairs"
)]
#[schema(as = ClientCredentials)]
pub(crate) struct Grant {
    #[schema(example = "client_credentials")]
    grant_type: String,
    /// The service account's id. May be left out, and may come by HTTP Basic together with the secret.
    #[schema(example = "0199d2f3-a1b4-7c6e-9d5c-2f1e8a7b6c5d")]
    client_id: Option<String>,
    /// An API key of the account.
    #[schema(example = "vtk_3q2-7wQm0hY0Xq9mJc8pJm4h5uVb1oXw2k6e0T9aZsE")]
    client_secret: Option<String>,
    /// Fewer scopes than the account has, space-separated.
    scope: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ClientToken)]
pub(crate) struct Granted {
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    #[schema(example = 900)]
    expires_in: i64,
    #[schema(example = "actor:* partition:* action:*")]
    scope: String,
}

/// RFC 6749 §5.2.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OAuthError)]
pub(crate) struct Refusal {
    #[schema(example = "invalid_client")]
    error: &'static str,
    error_description: &'static str,
    #[serde(skip)]
    #[schema(ignore)]
    status: StatusCode,
}

type Pairs = Vec<(String, String)>;

/// Exchange an API key for an access token
#[utoipa::path(post, path = "/oauth/token", operation_id = "client_credentials", tag = "tokens",
    request_body(content = Grant, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Granted), (status = 400, body = Refusal), (status = 401, body = Refusal),
        (status = 503, description = "The database does not answer", body = Refusal)), security(()))]
pub(crate) async fn token(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    upload: Upload,
) -> Response {
    match grant(&state, &headers, upload).await {
        Ok(granted) => ([(CACHE_CONTROL, "no-store")], Json(granted)).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn grant(state: &State, headers: &HeaderMap, upload: Upload) -> Result<Granted, Refusal> {
    let form = upload
        .read("application/x-www-form-urlencoded", FORM_LIMIT)
        .await
        .map_err(|error| Refusal::from_body(&error))?;
    let form: Pairs = form_urlencoded::parse(&form).into_owned().collect();
    let value = |name: &str| single(&form, name);
    match value("grant_type")?.as_deref() {
        Some("client_credentials") => {}
        Some(_) => return Err(refusal("unsupported_grant_type", "only client_credentials")),
        None => return Err(invalid("grant_type is missing")),
    }
    let basic = basic(headers)?;
    let body_secret = value("client_secret")?;
    if basic.is_some() && body_secret.is_some() {
        return Err(invalid("credentials in the header and in the body"));
    }
    let body_id = value("client_id")?;
    let (id, secret) = match (basic, body_secret) {
        (Some((id, secret)), _) => (Some(id), secret),
        (None, Some(secret)) => (body_id, secret),
        (None, None) => return Err(Refusal::client()),
    };
    let found = exchange::find(state.pool(), &secret)
        .await
        .map_err(|error| Refusal::failed(&error.into()))?
        .ok_or_else(Refusal::client)?;
    let own = id.is_none_or(|id| id.parse() == Ok::<Uuid, uuid::Error>(found.account));
    if !own {
        return Err(Refusal::client());
    }
    let scopes = narrow(&found.scopes, value("scope")?.as_deref())?;
    let scope = scopes.to_string();
    let (access_token, expires_in) = found
        .sign(state.keys(), state.issuer(), scopes)
        .map_err(|error| Refusal::failed(&error))?;
    Ok(Granted {
        access_token,
        token_type: "Bearer",
        expires_in,
        scope,
    })
}

/// A parameter's value; twice is an error (RFC 6749 §3.2), and empty is absent.
fn single(form: &Pairs, name: &str) -> Result<Option<String>, Refusal> {
    let mut values = form.iter().filter(|(known, _)| known == name);
    let first = values.next().map(|(_, value)| value.clone());
    if values.next().is_some() {
        return Err(invalid("a parameter is given twice"));
    }
    Ok(first.filter(|value| !value.is_empty()))
}

/// Id and secret of HTTP Basic, each form-encoded inside (RFC 6749 §2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, Refusal> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let pair = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = pair.as_deref().and_then(|pair| pair.split_once(':'));
    let (id, secret) = pair.ok_or_else(Refusal::client)?;
    Ok(Some((decode(id), decode(secret))))
}

fn decode(text: &str) -> String {
    form_urlencoded::parse(format!("v={}", text.replace('&', "%26")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// The asked scopes, where the account has each of them as it is written, as `*` or as a longer prefix's beginning; all of the account's when none are asked.
fn narrow(own: &str, asked: Option<&str>) -> Result<Scopes, Refusal> {
    let broken = |_| refusal("invalid_scope", "unknown scope");
    let Some(asked) = asked else {
        return own.parse().map_err(broken);
    };
    let covered = |scope: &str| {
        own.split(' ').any(|held| {
            held == scope
                || (held.starts_with("action:")
                    && scope
                        .strip_prefix(held)
                        .is_some_and(|rest| rest.starts_with('.')))
                || held.strip_suffix('*').is_some_and(|kind| {
                    scope
                        .strip_prefix(kind)
                        .is_some_and(|value| !value.is_empty())
                })
        })
    };
    let mut words = asked.split(' ').filter(|word| !word.is_empty());
    if !words.all(covered) {
        return Err(refusal(
            "invalid_scope",
            "the account does not have the scope",
        ));
    }
    asked.parse().map_err(broken)
}

fn refusal(error: &'static str, error_description: &'static str) -> Refusal {
    Refusal {
        error,
        error_description,
        status: StatusCode::BAD_REQUEST,
    }
}

fn invalid(description: &'static str) -> Refusal {
    refusal("invalid_request", description)
}

impl Refusal {
    fn client() -> Refusal {
        Refusal {
            status: StatusCode::UNAUTHORIZED,
            ..refusal("invalid_client", "no such client or secret")
        }
    }

    fn from_body(error: &ApiError) -> Refusal {
        let status = match error {
            ApiError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ApiError::Timeout => StatusCode::REQUEST_TIMEOUT,
            ApiError::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::BAD_REQUEST,
        };
        Refusal {
            status,
            ..invalid("the body is not a form of at most 16 KiB")
        }
    }

    fn failed(error: &anyhow::Error) -> Refusal {
        tracing::error!(error = format!("{error:#}"), "cannot exchange a key");
        Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            ..refusal("temporarily_unavailable", "try again")
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, [(CACHE_CONTROL, "no-store")], Json(self)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let basic = HeaderValue::from_static("Basic realm=\"veritrail\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, basic);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_only_narrow() {
        let own = "actor:* partition:billing action:invoice partitions:create";
        assert_eq!(narrow(own, None).unwrap().to_string(), own);
        for good in [
            "actor:user",
            "partition:billing",
            "actor:* action:invoice",
            "action:invoice.paid",
            "partitions:create",
        ] {
            assert!(narrow(own, Some(good)).is_ok(), "{good}");
        }
        for bad in [
            "partition:*",
            "partition:other",
            "action:*",
            "action:invoices",
            "actor:",
            "nonsense",
            "actor:user x",
        ] {
            assert!(narrow(own, Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn basic_is_decoded_twice() {
        let mut headers = HeaderMap::new();
        assert!(basic(&headers).unwrap().is_none());
        let encoded = STANDARD.encode("an+id:s%3Acret");
        headers.insert(AUTHORIZATION, format!("Basic {encoded}").parse().unwrap());
        let expected = Some(("an id".to_owned(), "s:cret".to_owned()));
        assert_eq!(basic(&headers).unwrap(), expected);
        headers.insert(AUTHORIZATION, "Bearer abc".parse().unwrap());
        assert!(basic(&headers).is_err());
    }
}
