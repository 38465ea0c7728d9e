//! `veritrail up` on a database of its own: index, queue and objects are its own too.

use anyhow::Context as _;

use crate::member::Plan;
use crate::{Installation, Member, ORIGIN, SECRET, Wanted, Way, database, free_ports};

pub(crate) async fn start(wanted: &Wanted<'_>) -> anyhow::Result<Installation> {
    let &Wanted {
        name,
        folder,
        servers,
        mut listen,
        log,
        ..
    } = wanted;
    let database_url = database::create(&servers.database_url, name).await?;
    let data = folder.join("data");
    std::fs::create_dir(&data)?;
    std::fs::write(data.join("secret"), secret())?;
    let [port, admin_port] = free_ports()?;
    if listen.port() == 0 {
        listen.set_port(port);
    }
    let environment = [
        ("VERITRAIL_DATABASE_URL".to_owned(), database_url.clone()),
        ("LOG".to_owned(), log.to_owned()),
    ];
    let mut member = Member::new(
        Plan {
            program: "veritrail",
            name: "veritrail".to_owned(),
            listen: Some(listen),
            admin_port,
            arguments: &[
                "up",
                "--no-install",
                "--origin",
                ORIGIN,
                "--data",
                data.to_str().context("a path that is no text")?,
            ],
            environment: &environment,
            ready: "Veritrail is ready",
        },
        folder,
    );
    member.start().await?;
    let credentials = std::fs::read(data.join("credentials.json"))?;
    let url = format!("http://{listen}");
    Ok(Installation {
        auth_url: url.clone(),
        log_urls: vec![url.clone()],
        url,
        credentials: serde_json::from_slice(&credentials)?,
        database_url,
        folder: folder.to_owned(),
        members: vec![member],
        name: name.to_owned(),
        servers: servers.clone(),
        way: Way::OneProcess,
        entry: None,
    })
}

/// The text of the secret file.
pub(crate) fn secret() -> String {
    format!("{}\n", SECRET.map(|byte| format!("{byte:02x}")).concat())
}
