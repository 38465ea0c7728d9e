//! How often a login may be tried, per account and per network: a failure costs time, and nobody is ever locked out.
//! Stores no names: keys are MACs.
//!
//! The charge is made before the password is hashed and given back after a success. An account's delay does not hold where its owner has
//! signed in before, so a stranger who keeps failing delays only himself.

use service::ApiError;
use sqlx::PgPool;
use uuid::Uuid;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::hashing::Payer;
use crate::rate::Rate;
use crate::secret::Secret;

/// Ten attempts at once, then one each 30 s.
const ACCOUNT: Rate = Rate {
    cost: 30.0,
    burst: 10.0,
};
/// Many people share an address: fifty at once, then one a second.
const NETWORK: Rate = Rate {
    cost: 1.0,
    burst: 50.0,
};

/// What an attempt was charged to, and who pays for the hash.
pub(crate) struct Charge {
    account: Option<Vec<u8>>,
    payer: Payer,
}

impl Charge {
    pub(crate) fn payer(&self) -> &Payer {
        &self.payer
    }
}

/// Whose attempts are counted together.
pub(crate) enum Account<'a> {
    /// By what was typed, whether somebody has that name or not: what two names share would tell that they are one person's.
    Name {
        tenant: &'a str,
        name: &'a str,
        /// The owner has signed in from this network before.
        known_network: bool,
    },
    /// Whoever changes a password is signed in already: strangers' attempts must not be in the way.
    PasswordChange { id: Uuid },
    /// Only the network counts.
    None,
}

/// The name under which attempts on an account are counted. Names and addresses are the same in either case.
pub(crate) fn account_key(secret: &Secret, account: &Account<'_>) -> Vec<u8> {
    let message = match account {
        Account::Name { tenant, name, .. } => {
            format!("name\n{tenant}\n{}", name.to_ascii_lowercase())
        }
        Account::PasswordChange { id } => format!("password\n{id}"),
        Account::None => String::new(),
    };
    secret
        .mac("veritrail/delay/v1", message.as_bytes())
        .to_vec()
}

/// The name under which a network is kept.
pub(crate) fn network_key(secret: &Secret, client: &Client) -> Option<Vec<u8>> {
    let network = client.network()?;
    Some(
        secret
            .mac(
                "veritrail/delay/v1",
                format!("network\n{network}").as_bytes(),
            )
            .to_vec(),
    )
}

/// Lets the attempt in and charges it, or 429 with the seconds to wait.
pub(crate) async fn charge(
    pool: &PgPool,
    secret: &Secret,
    client: &Client,
    account: &Account<'_>,
) -> Result<Charge> {
    let network = network_key(secret, client);
    if let Some(key) = &network {
        charge_key(pool, key, &NETWORK).await?;
    }
    let apart = matches!(
        account,
        Account::Name {
            known_network: true,
            ..
        }
    );
    let shared = match account {
        Account::None => None,
        account => Some(account_key(secret, account)),
    };
    let mut charged = shared.clone();
    if let Some(key) = &mut charged {
        if apart {
            key.extend(network.iter().flatten());
        }
        charge_key(pool, key, &ACCOUNT).await?;
    }
    // Wherever it signs in from, an account has one share of the hashes: only its delays are apart.
    let payer = Payer {
        account: shared,
        network,
    };
    Ok(Charge {
        account: charged,
        payer,
    })
}

async fn charge_key(pool: &PgPool, key: &[u8], rate: &Rate) -> Result<()> {
    let charged = rate.charge(pool, key).await;
    if let Err(Error(ApiError::TooMany { .. })) = &charged {
        metrics::counter!("auth_logins_delayed_total").increment(1);
    }
    charged
}

/// Gives a success its charge back: the account starts afresh, the network loses this one attempt.
pub(crate) async fn refund(pool: &PgPool, charge: Charge) -> Result<()> {
    if let Some(key) = charge.account {
        Rate::forget(pool, &key).await?;
    }
    if let Some(key) = charge.payer.network {
        NETWORK.refund(pool, &key).await?;
    }
    Ok(())
}
