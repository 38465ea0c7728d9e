//! Who asks: an API key, or a login whose tokens are renewed in time. A refresh
//! token is spent once, by whoever holds the profile's lock, and the new one is
//! on the disk before anything is done with it.

use std::fmt;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{Client, Refused};
use crate::profile::{Place, Tokens};

/// A token is renewed when it has less than this left, in seconds.
const MARGIN: u64 = 30;

pub(crate) enum Session {
    Key(SecretString),
    Login {
        place: Place,
        tokens: Mutex<Tokens>,
    },
    /// Nobody: for what is public, and for logging in.
    Nobody,
}

/// The answer to a login or a renewal.
#[derive(Deserialize)]
pub(crate) struct Tokened {
    access_token: String,
    refresh_token: String,
    expires_in: u64,
}

impl From<Tokened> for Tokens {
    fn from(answer: Tokened) -> Self {
        Self {
            access_token: answer.access_token,
            expires_at: now() + answer.expires_in,
            refresh_token: answer.refresh_token,
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

impl Session {
    pub(crate) fn login(place: Place, tokens: Tokens) -> Self {
        Self::Login {
            place,
            tokens: Mutex::new(tokens),
        }
    }

    /// A credential that is good for a while.
    pub(super) async fn token(&self, client: &Client) -> anyhow::Result<SecretString> {
        let Self::Login { tokens, .. } = self else {
            return Ok(match self {
                Self::Key(key) => key.clone(),
                _ => SecretString::default(),
            });
        };
        let current = known(tokens);
        let token = SecretString::from(current.access_token);
        if current.expires_at > now() + MARGIN {
            return Ok(token);
        }
        self.renew(client, &token).await?;
        Ok(known(tokens).access_token.into())
    }

    /// Replaces a token that is refused or about to be; `false` where there is
    /// no other to be had.
    pub(super) async fn renew(
        &self,
        client: &Client,
        refused: &SecretString,
    ) -> anyhow::Result<bool> {
        let Self::Login { place, tokens } = self else {
            return Ok(false);
        };
        let _lock = place.lock().await?;
        let mut profile = place
            .read()?
            .context("not logged in any more: run `veritrail login`")?;
        let mut latest = profile
            .tokens
            .clone()
            .context("not logged in any more: run `veritrail login`")?;
        // Another process may have been faster; its token is as good.
        if latest.access_token == refused.expose_secret() || latest.expires_at <= now() + MARGIN {
            let body = serde_json::json!({"refresh_token": latest.refresh_token});
            let answer = match client.post_once("api/v1/auth/refresh", &body).await {
                Ok(answer) => answer
                    .json::<Tokened>()
                    .await
                    .context("no token in the answer")?,
                Err(error) if is_ended(&error) => {
                    bail!("the login has ended: run `veritrail login`")
                }
                Err(error) => return Err(error.context("cannot renew the login")),
            };
            latest = answer.into();
            profile.tokens = Some(latest.clone());
            place.write(&profile)?;
        }
        *tokens.lock().expect("nothing panics while it is held") = latest;
        Ok(true)
    }
}

fn known(tokens: &Mutex<Tokens>) -> Tokens {
    tokens
        .lock()
        .expect("nothing panics while it is held")
        .clone()
}

fn is_ended(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<Refused>()
        .is_some_and(|refused| refused.status.is_client_error() && refused.status != 429)
}

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
