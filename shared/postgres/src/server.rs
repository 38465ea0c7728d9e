//! A PostgreSQL of our own, from whatever is found: programs, cluster, server,
//! role and database. Every step looks at what is there first, so that a start
//! that was killed anywhere is simply done again.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tokio_util::sync::CancellationToken;

use crate::binaries::{self, Binaries};
use crate::cluster::{self, Cluster, DATABASE, ROLE, SUPERUSER};
use crate::install;
use crate::postmaster::{self, PORT, Postmaster};

/// Told what takes long or is not as usual, in words for a person.
pub(crate) type Note<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// What a start is given.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Where cluster, log and socket are; it exists, and this process alone uses it.
    pub folder: &'a Path,
    /// Folder with the PostgreSQL programs; found where it is `None`.
    pub binaries: Option<&'a Path>,
    /// Whether PostgreSQL may be installed where it is missing.
    pub install: bool,
}

/// A running PostgreSQL and the addresses of its database.
#[derive(Debug)]
pub struct Postgres {
    postmaster: Postmaster,
    version: String,
    data_directory: PathBuf,
    socket: PathBuf,
}

impl Postgres {
    /// Starts the cluster of the folder, made and even installed where it is missing.
    ///
    /// # Errors
    /// With what is in the way; nothing is left running then.
    pub async fn start(
        wanted: &Wanted<'_>,
        note: Note<'_>,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        // Whatever runs while the cluster is found or made is killed when this
        // is dropped, and found half done at the next start.
        let (cluster, binaries) = tokio::select! {
            found = Self::cluster(wanted, note) => found?,
            () = stop.cancelled() => bail!("interrupted"),
        };
        Self::run(wanted.folder, &cluster, binaries, note, stop).await
    }

    async fn cluster(wanted: &Wanted<'_>, note: Note<'_>) -> anyhow::Result<(Cluster, Binaries)> {
        let named = wanted.binaries;
        let data = wanted.folder;
        let existing = cluster::version(data)?;
        let mut found = binaries::find(named).await?;
        if found.is_empty() && existing.is_none() {
            install::postgresql(note, wanted.install).await?;
            found = binaries::find(named).await?;
        }
        let chosen = binaries::choose(&found, existing);
        let chosen = chosen.with_context(|| format!("cannot use {}", data.display()))?;
        let Some(binaries) = chosen else {
            bail!("PostgreSQL was installed, but is nowhere to be found")
        };
        if existing.is_some() {
            return Ok((cluster::existing(data).await?, binaries));
        }
        note(&format!(
            "making a cluster with PostgreSQL {}",
            binaries.version
        ));
        Ok((cluster::create(data, &binaries, note).await?, binaries))
    }

    async fn run(
        data: &Path,
        cluster: &Cluster,
        binaries: Binaries,
        note: Note<'_>,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        if let Some(pid) = postmaster::stop_orphan(cluster).await? {
            note(&format!(
                "stopped PostgreSQL, process {pid}, which an earlier start left running"
            ));
        }
        let socket = cluster.socket_folder(data).await?;
        cluster.configure(&binaries, &socket).await?;
        let postmaster =
            Postmaster::start(cluster, &binaries, data.join("postgres.log"), stop).await?;
        let mut postgres = Self {
            postmaster,
            version: binaries.version,
            data_directory: cluster.path.clone(),
            socket,
        };
        if let Err(error) = postgres.prepare().await {
            postgres.stop().await?;
            return Err(error.context("cannot prepare the database"));
        }
        Ok(postgres)
    }

    /// Of the server, e.g. `15.18`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where the server keeps its files.
    pub fn data_directory(&self) -> &Path {
        &self.data_directory
    }

    /// Resolves when the server has ended without being asked to.
    pub async fn ended(&self) -> anyhow::Error {
        self.postmaster.ended().await
    }

    /// Stops the server.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.postmaster.stop().await?;
        // Made again at the next start; outside the data directory nobody would know whose it is.
        let _ = std::fs::remove_dir(&self.socket);
        Ok(())
    }

    /// The services' role, which may make roles but is no superuser, and its database.
    async fn prepare(&self) -> anyhow::Result<()> {
        let options: PgConnectOptions = self.url(SUPERUSER, "postgres").parse()?;
        let mut connection: PgConnection = options.disable_statement_logging().connect().await?;
        let role: Option<i32> = sqlx::query_scalar("select 1 from pg_roles where rolname = $1")
            .bind(ROLE)
            .fetch_optional(&mut connection)
            .await?;
        if role.is_none() {
            connection
                .execute("create role veritrail login createrole")
                .await?;
        }
        let database: Option<i32> =
            sqlx::query_scalar("select 1 from pg_database where datname = $1")
                .bind(DATABASE)
                .fetch_optional(&mut connection)
                .await?;
        if database.is_none() {
            connection
                .execute("create database veritrail owner veritrail")
                .await?;
        }
        connection.close().await?;
        Ok(())
    }

    /// The services' address.
    pub fn database_url(&self) -> SecretString {
        self.url(ROLE, DATABASE).into()
    }

    /// The owner's address, with every right. Only this machine's accounts that
    /// `pg_ident.conf` names get in by it: it holds no secret.
    pub fn owner_url(&self) -> SecretString {
        self.url(SUPERUSER, DATABASE).into()
    }

    fn url(&self, role: &str, database: &str) -> String {
        let socket = escaped(&self.socket.to_string_lossy());
        format!("postgres:///{database}?host={socket}&port={PORT}&user={role}")
    }
}

/// Percent-encoding as both libpq and sqlx read it: no `+` for a space.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_can_stand_in_an_address() {
        assert_eq!(escaped("/srv/my data/ü+&"), "/srv/my%20data/%C3%BC%2B%26");
        let options: PgConnectOptions = format!(
            "postgres:///veritrail?host={}&port=5432&user=postgres",
            escaped("/srv/my data/s")
        )
        .parse()
        .unwrap();
        assert_eq!(options.get_socket().unwrap(), Path::new("/srv/my data/s"));
        assert_eq!(options.get_username(), "postgres");
        assert_eq!(options.get_database(), Some("veritrail"));
    }
}
