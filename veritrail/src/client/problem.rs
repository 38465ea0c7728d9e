//! A server's refusal: the problem document (RFC 9457) as an error. It never
//! shows the body of an answer that is none.

use std::fmt;

use reqwest::{Response, StatusCode};
use serde::Deserialize;

/// How much of an answer is read to understand why.
const REASON_BYTES: usize = 1 << 20;
/// How many wrong places are named.
const PLACES: usize = 5;

/// The server answered, and not with success.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) problem: Problem,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Problem {
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) detail: Option<String>,
    #[serde(default)]
    pub(crate) code: Option<String>,
    #[serde(default)]
    pub(crate) request_id: Option<String>,
    #[serde(default)]
    pub(crate) errors: Vec<Place>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) async fn read(mut answer: Response) -> Self {
        let status = answer.status();
        let mut text = Vec::new();
        while let Ok(Some(chunk)) = answer.chunk().await {
            text.extend_from_slice(&chunk);
            if text.len() > REASON_BYTES {
                break;
            }
        }
        Self {
            status,
            problem: serde_json::from_slice(&text).unwrap_or_default(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem {
            title,
            detail,
            code,
            request_id,
            errors,
        } = &self.problem;
        write!(f, "the server refused: {}", self.status.as_u16())?;
        if let Some(reason) = detail.as_ref().or(title.as_ref()) {
            write!(f, " {reason}")?;
        }
        if let Some(code) = code {
            write!(f, " ({code})")?;
        }
        for place in errors.iter().take(PLACES) {
            let path = if place.path.is_empty() {
                "the whole"
            } else {
                &place.path
            };
            write!(f, "; {path}: {}", place.message)?;
        }
        if errors.len() > PLACES {
            write!(f, "; and {} more", errors.len() - PLACES)?;
        }
        if let Some(id) = request_id
            .as_ref()
            .filter(|_| self.status.is_server_error())
        {
            write!(f, "; request {id}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}
