//! The first credentials: durable in the owner's file before anything that they
//! open exists, so that no kill locks the owner out. It never writes the file
//! again once the owner has taken it away.

use anyhow::Context as _;
use auth_service::Credentials;
use secrecy::ExposeSecret as _;

use super::data::DataDir;
use super::server::Installation;
use crate::durable::{self, Readers};

/// Name of the owner's file.
pub(crate) const CREDENTIALS: &str = "credentials.json";
/// There once the file's content is in the database: from then on it is the owner's to remove.
const DONE: &str = "bootstrapped";

/// Operator, tenant, admin and service account of a first start; nothing in a later one.
pub(crate) async fn bootstrap(
    data: &DataDir,
    installation: &Installation,
    config: &auth_service::Config,
) -> anyhow::Result<()> {
    let path = data.file(CREDENTIALS);
    let done = data.file(DONE);
    let url = installation.database.owner_url.expose_secret();
    let credentials = match Credentials::read(&path)? {
        Some(mut credentials) => {
            if credentials.database_url != url {
                // The directory was moved, and the socket with it.
                url.clone_into(&mut credentials.database_url);
                let mut text = serde_json::to_vec_pretty(&credentials)?;
                text.push(b'\n');
                durable::write(&path, &text, Readers::Owner)?;
            }
            credentials
        }
        None if done.exists() => {
            // The schema may still be older than this program.
            return auth_service::migrate(&config.database_url)
                .await
                .context("cannot migrate auth");
        }
        None => {
            let credentials = Credentials::generate(url, &installation.origin);
            credentials.write(&path)?;
            credentials
        }
    };
    auth_service::bootstrap(config, &credentials)
        .await
        .with_context(|| format!("cannot create what {} names", path.display()))?;
    if !done.exists() {
        durable::write(&done, b"", Readers::Everyone)?;
    }
    Ok(())
}
