//! A database of one's own on the server.

use sqlx::{Connection as _, PgConnection};

fn database(name: &str) -> String {
    name.replace('-', "_")
}

/// Creates it and gives its address.
pub(crate) async fn create(server: &str, name: &str) -> anyhow::Result<String> {
    let name = database(name);
    statement(server, format!("create database {name}")).await?;
    let mut url = url::Url::parse(server)?;
    url.set_path(&name);
    Ok(url.into())
}

pub(crate) async fn remove(server: &str, name: &str) -> anyhow::Result<()> {
    let name = database(name);
    statement(server, format!("drop database {name} with (force)")).await
}

async fn statement(server: &str, text: String) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(server).await?;
    // The name is this program's own: letters, digits and underscores.
    sqlx::raw_sql(sqlx::AssertSqlSafe(text))
        .execute(&mut connection)
        .await?;
    Ok(connection.close().await?)
}
