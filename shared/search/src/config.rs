//! What an operator can set of the index; the only file here that reads the environment.

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::{Busy, FORM};

const PREFIX: &str = "veritrail";
const POOLS: u16 = 8;

/// The search index, for every program that uses it. Each is an option and an environment variable.
#[derive(Args, Clone, Debug)]
#[group(id = "search")]
#[command(next_help_heading = "Search index")]
pub struct Config {
    /// `https://…` or `http://…`: an OpenSearch; `file:///…`: a directory of this process alone. Without it
    /// lists are read from the ledger, within bounds
    #[arg(long, env = "INDEX_URL")]
    pub index_url: Option<Url>,
    /// Begin of the names of all indices and aliases
    #[arg(long, env = "INDEX_PREFIX", default_value = PREFIX)]
    pub index_prefix: String,
    /// User of the OpenSearch
    #[arg(long, env = "INDEX_USERNAME")]
    pub index_username: Option<String>,
    /// Password of the user
    #[arg(long, env = "INDEX_PASSWORD", hide_env_values = true)]
    pub index_password: Option<SecretString>,
    /// File that holds the password instead
    #[arg(long, env = "INDEX_PASSWORD_FILE")]
    pub index_password_file: Option<PathBuf>,
    /// PEM file of the authorities that the OpenSearch's certificate is checked against, beside those
    /// of the system
    #[arg(long, env = "INDEX_CA_FILE")]
    pub index_ca_file: Option<PathBuf>,
    /// Signs requests for Amazon's service (signature version 4) instead, with the region and credentials
    /// of the AWS environment
    #[arg(long, env = "INDEX_SIGV4", conflicts_with = "index_username")]
    pub index_sigv4: bool,
    /// Indices that pooled tenants share; never changed once there are such tenants
    #[arg(long, env = "INDEX_POOLS", default_value_t = POOLS, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub index_pools: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            index_url: None,
            index_prefix: PREFIX.to_owned(),
            index_username: None,
            index_password: None,
            index_password_file: None,
            index_ca_file: None,
            index_sigv4: false,
            index_pools: POOLS,
        }
    }
}

/// Where the index is and how it is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    pub url: Url,
    pub prefix: String,
    pub credentials: Credentials,
    /// PEM; certificates are checked against these authorities too.
    pub authorities: Option<Vec<u8>>,
    pub pools: u16,
    /// [`FORM`], unless somebody is after the indices of another one.
    pub form: u32,
    /// For whoever shares the machine with an embedded index.
    pub busy: Busy,
}

/// As whom requests are made.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    #[default]
    None,
    Basic {
        username: String,
        password: SecretString,
    },
    /// Signature version 4 with the credentials of the AWS environment.
    Aws,
}

impl Settings {
    /// Without credentials.
    pub fn of(url: Url) -> Self {
        Self {
            url,
            prefix: "veritrail".to_owned(),
            credentials: Credentials::None,
            authorities: None,
            pools: 8,
            form: FORM,
            busy: Busy::default(),
        }
    }
}

impl Config {
    /// `None` where no index is configured; an error names the variable.
    pub fn settings(&self) -> anyhow::Result<Option<Settings>> {
        let Some(url) = self.index_url.clone() else {
            return Ok(None);
        };
        let prefix = self.index_prefix.clone();
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        ensure!(
            (1..=64).contains(&prefix.len())
                && prefix.bytes().all(lower)
                && prefix.starts_with(|char: char| char != '-'),
            "INDEX_PREFIX: lower-case letters, digits and hyphens, no hyphen first, at most 64"
        );
        let authorities = self.index_ca_file.as_ref().map(|file| {
            let text = std::fs::read(file);
            text.with_context(|| format!("INDEX_CA_FILE: {}", file.display()))
        });
        Ok(Some(Settings {
            url,
            prefix,
            credentials: self.credentials()?,
            authorities: authorities.transpose()?,
            pools: self.index_pools,
            form: FORM,
            busy: Busy::default(),
        }))
    }

    fn credentials(&self) -> anyhow::Result<Credentials> {
        if self.index_sigv4 {
            return Ok(Credentials::Aws);
        }
        let Some(username) = self.index_username.clone() else {
            return Ok(Credentials::None);
        };
        let password = match (&self.index_password, &self.index_password_file) {
            (Some(password), None) => password.clone(),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file);
                let text =
                    text.with_context(|| format!("INDEX_PASSWORD_FILE: {}", file.display()))?;
                SecretString::from(text.trim_end_matches(['\r', '\n']))
            }
            _ => bail!("INDEX_USERNAME needs one of INDEX_PASSWORD and INDEX_PASSWORD_FILE"),
        };
        ensure!(
            !password.expose_secret().is_empty(),
            "INDEX_PASSWORD: empty"
        );
        Ok(Credentials::Basic { username, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            index_url: Some("https://search.example:9200".parse().expect("a URL")),
            ..Config::default()
        }
    }

    fn refusal(config: &Config) -> String {
        format!("{:#}", config.settings().expect_err("it is refused"))
    }

    #[test]
    fn without_a_url_there_is_no_index_and_with_one_the_rest_has_defaults() {
        assert!(Config::default().settings().expect("fine").is_none());
        let settings = config().settings().expect("fine").expect("an index");
        assert_eq!(settings.prefix, PREFIX);
        assert_eq!(settings.pools, POOLS);
        assert!(matches!(settings.credentials, Credentials::None));
    }

    #[test]
    fn a_prefix_is_a_part_of_a_name() {
        for bad in ["", "-a", "A", "a_b", "a*", "a/b", &"a".repeat(65)] {
            let mut config = config();
            config.index_prefix = bad.to_owned();
            assert!(refusal(&config).starts_with("INDEX_PREFIX: "), "{bad}");
        }
        let mut config = config();
        config.index_prefix = "trail-2".to_owned();
        assert!(config.settings().is_ok());
    }

    #[test]
    fn a_password_comes_from_one_place() {
        let mut config = config();
        config.index_username = Some("indexer".to_owned());
        assert!(refusal(&config).starts_with("INDEX_USERNAME needs one of"));
        config.index_password = Some("".into());
        assert_eq!(refusal(&config), "INDEX_PASSWORD: empty");
        config.index_password = Some("secret".into());
        let settings = config.settings().expect("fine").expect("an index");
        let Credentials::Basic { username, password } = settings.credentials else {
            panic!("{:?}", settings.credentials);
        };
        assert_eq!(
            (&*username, password.expose_secret()),
            ("indexer", "secret")
        );
        config.index_password_file = Some("/nowhere".into());
        assert!(refusal(&config).starts_with("INDEX_USERNAME needs one of"));
        config.index_password = None;
        assert!(refusal(&config).starts_with("INDEX_PASSWORD_FILE: /nowhere: "));
    }

    #[test]
    fn what_amazon_is_asked_is_signed_and_a_missing_authority_is_named() {
        let mut config = config();
        config.index_sigv4 = true;
        let settings = config.settings().expect("fine").expect("an index");
        assert!(matches!(settings.credentials, Credentials::Aws));
        config.index_ca_file = Some("/nowhere".into());
        assert!(refusal(&config).starts_with("INDEX_CA_FILE: /nowhere: "));
    }
}
