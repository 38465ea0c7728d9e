//! The first credentials: durable in the owner's file before anything that they
//! open exists, so that no kill locks the owner out. It never writes the file
//! again once the owner has taken it away.

use std::path::Path;

use anyhow::Context as _;
use auth_service::Credentials;
use secrecy::ExposeSecret as _;

use super::data::DataDir;
use super::server::Installation;
use postgres::durable::{self, Readers};

/// Name of the owner's file.
pub(crate) const CREDENTIALS: &str = "credentials.json";

/// Operator, tenant, admin and service account of a first start; nothing in a later one.
pub(crate) async fn bootstrap(
    data: &DataDir,
    installation: &Installation,
    config: &auth_service::Config,
) -> anyhow::Result<()> {
    let path = data.file(CREDENTIALS);
    let url = installation.database.owner_url.expose_secret();
    let there = Credentials::read(&path)?;
    if auth_service::bootstrapped(config)
        .await
        .context("cannot look into the database")?
    {
        let moved = there.filter(|credentials| credentials.database_url != url);
        return moved.map_or(Ok(()), |credentials| readdress(credentials, url, &path));
    }
    let credentials = if let Some(credentials) = there {
        // Killed between writing them and the transaction that they are for.
        credentials
    } else {
        let credentials = Credentials::generate(url, &installation.origin);
        credentials.write(&path)?;
        credentials
    };
    auth_service::bootstrap(config, &credentials)
        .await
        .with_context(|| format!("cannot create what {} names", path.display()))?;
    Ok(())
}

/// The directory was moved, and PostgreSQL's socket with it.
fn readdress(mut credentials: Credentials, url: &str, path: &Path) -> anyhow::Result<()> {
    url.clone_into(&mut credentials.database_url);
    let mut text = serde_json::to_vec_pretty(&credentials)?;
    text.push(b'\n');
    durable::write(path, &text, Readers::Owner)
}
