//! PostgreSQL for the tests: a container, or a cluster of our own in the run's folder.

use anyhow::Context as _;
use postgres::{Postgres, Wanted};
use secrecy::ExposeSecret as _;
use sqlx::Connection as _;
use testcontainers::ImageExt as _;

use crate::containers::{self, Image};
use crate::running::{READY_WITHIN, Running};
use crate::{Site, say};

const IMAGE: Image = Image {
    name: "postgres",
    tag: "17",
    port: 5432,
};
/// The suites of all crates hold many at once, far more than a service does.
const CONNECTIONS: &str = "max_connections=400";

pub(crate) async fn start(site: &Site) -> anyhow::Result<Running> {
    if site.docker && containers::has(IMAGE, &site.stop).await {
        return container().await;
    }
    let folder = site.folder.of("postgresql")?;
    let wanted = Wanted {
        folder: &folder,
        binaries: None,
        install: true,
    };
    let postgres = Postgres::start(&wanted, &|text: &str| say(text), &site.stop).await?;
    let url = postgres.owner_url().expose_secret().to_owned();
    Ok(Running::postgres(url, postgres))
}

async fn container() -> anyhow::Result<Running> {
    let request = IMAGE
        .request()
        .with_env_var("POSTGRES_PASSWORD", "postgres")
        .with_cmd(["-c", CONNECTIONS]);
    let (container, address) = containers::start(IMAGE, request).await?;
    let url = format!("postgres://postgres:postgres@{address}/postgres");
    let connected = async {
        let mut poll = tokio::time::interval(std::time::Duration::from_millis(100));
        loop {
            poll.tick().await;
            if let Ok(connection) = sqlx::PgConnection::connect(&url).await {
                return connection.close().await;
            }
        }
    };
    let connected = tokio::time::timeout(READY_WITHIN, connected).await;
    let Ok(closed) = connected else {
        return Err(containers::silent(container).await);
    };
    closed.context("PostgreSQL closed the first connection")?;
    Ok(Running::container(url, container))
}
