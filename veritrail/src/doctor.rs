//! `veritrail doctor`: looks for what is in the way and says what to do about
//! it. It changes nothing.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitCode;
use std::time::Duration;

use reqwest::header::DATE;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;

use crate::client::{Client, Purpose};
use crate::config;
use crate::partitions;
use crate::print::{self, Output, Style, grouped};
use crate::profile::Place;
use postgres::durable;

/// Appends are refused beyond this; here it is told of any clock.
const SKEW: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The write-ahead log alone may take this much.
const DISK: u64 = 2 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    /// Worth knowing; nothing is in the way.
    Note,
    Bad,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    detail: String,
}

fn check(name: &'static str, state: State, detail: impl Into<String>) -> Check {
    Check {
        name,
        state,
        detail: detail.into(),
    }
}

pub(crate) async fn run(config: config::Doctor, output: Output) -> anyhow::Result<ExitCode> {
    let mut checks = vec![check("version", State::Good, env!("CARGO_PKG_VERSION"))];
    let running = is_running(&config);
    checks.extend(data(&config, running));
    checks.push(postgres(&config).await);
    let address = durable::read(&config.data.join("address"))?;
    let address = address.and_then(|text| Url::parse(String::from_utf8_lossy(&text).trim()).ok());
    checks.push(port(&config, address.as_ref().filter(|_| running)));
    let place = Place::named(&config.connection.profile)?;
    let profile = place.read();
    let server = config.connection.server.clone();
    let server = server.or_else(|| {
        profile
            .as_ref()
            .ok()?
            .as_ref()
            .map(|profile| profile.server.clone())
    });
    match server.or(address) {
        Some(server) => checks.extend(reach(&server).await),
        None => checks.push(check(
            "server",
            State::Note,
            "none known: start one with `veritrail up`",
        )),
    }
    checks.push(match profile {
        Err(error) => check("login", State::Bad, format!("{error:#}")),
        Ok(None) => check("login", State::Note, "none: run `veritrail login`"),
        Ok(Some(_)) => login(config.connection).await,
    });

    for check in &checks {
        output.value(check)?;
        let mark = match check.state {
            State::Good => output.paint(Style::Good, "✓"),
            State::Note => output.paint(Style::Warning, "·"),
            State::Bad => output.paint(Style::Bad, "✗"),
        };
        output.say(&format!("{mark} {:<11} {}", check.name, check.detail))?;
    }
    let bad = checks.iter().any(|check| check.state == State::Bad);
    Ok(if bad {
        ExitCode::from(print::COULD_NOT)
    } else {
        ExitCode::SUCCESS
    })
}

/// Whether a `veritrail up` holds the data directory.
fn is_running(config: &config::Doctor) -> bool {
    fs::File::open(config.data.join("lock")).is_ok_and(|lock| lock.try_lock_shared().is_err())
}

/// The data directory: there, private, with room.
fn data(config: &config::Doctor, running: bool) -> Vec<Check> {
    let path = &config.data;
    if !path.exists() {
        return vec![check(
            "data",
            State::Note,
            format!("{} is not there yet", path.display()),
        )];
    }
    let mut checks = Vec::new();
    let holder = fs::read_to_string(path.join("lock")).unwrap_or_default();
    let state = if running {
        holder.trim().to_owned()
    } else {
        "not running".to_owned()
    };
    checks.push(check(
        "data",
        State::Good,
        format!("{}: {state}", path.display()),
    ));
    for name in ["secret", crate::up::CREDENTIALS] {
        let Ok(file) = fs::metadata(path.join(name)) else {
            continue;
        };
        let mode = file.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            checks.push(check(
                "private",
                State::Bad,
                format!("{name} has mode {mode:o}: chmod 600 it"),
            ));
        }
    }
    if let Ok(disk) = rustix::fs::statvfs(path) {
        let free = disk.f_bavail * disk.f_frsize;
        let state = if free < DISK { State::Bad } else { State::Good };
        checks.push(check(
            "disk",
            state,
            format!("{} MiB free", grouped(free >> 20)),
        ));
    }
    checks
}

async fn postgres(config: &config::Doctor) -> Check {
    match postgres::would_run(&config.data, config.postgres_bin.as_deref()).await {
        Ok(found) => check("postgresql", State::Good, found),
        Err(error) => check("postgresql", State::Bad, format!("{error:#}")),
    }
}

/// Whether `up` could listen, or where it does.
fn port(config: &config::Doctor, running: Option<&Url>) -> Check {
    if let Some(address) = running {
        return check("port", State::Good, format!("`veritrail up` has {address}"));
    }
    let listen = config.listen;
    match TcpListener::bind(listen) {
        Ok(_) => check("port", State::Good, format!("{listen} is free")),
        Err(error) => check(
            "port",
            State::Bad,
            format!("{listen}: {error}: choose another with --listen"),
        ),
    }
}

/// The server: there, ready, of this version, by the same clock.
async fn reach(server: &Url) -> Vec<Check> {
    let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).build();
    let (Ok(client), Ok(ready), Ok(description)) =
        (client, server.join("readyz"), server.join("openapi.json"))
    else {
        return vec![check(
            "server",
            State::Bad,
            format!("{server} is no address"),
        )];
    };
    let answer = match client.get(ready).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let error = anyhow::Error::new(error.without_url());
            return vec![check("server", State::Bad, format!("{server}: {error:#}"))];
        }
    };
    let mut checks = vec![if answer.status().is_success() {
        check("server", State::Good, format!("{server} is ready"))
    } else {
        check(
            "server",
            State::Bad,
            format!("{server} is not ready ({})", answer.status()),
        )
    }];
    checks.extend(clock(&answer));
    if let Ok(answer) = client.get(description).send().await
        && let Ok(description) = answer.json::<serde_json::Value>().await
        && let Some(version) = description["info"]["version"].as_str()
    {
        let own = env!("CARGO_PKG_VERSION");
        let state = if version == own {
            State::Good
        } else {
            State::Note
        };
        checks.push(check(
            "versions",
            state,
            format!("server {version}, this program {own}"),
        ));
    }
    checks
}

/// By the answer's date, which has whole seconds.
fn clock(answer: &reqwest::Response) -> Option<Check> {
    let date = answer.headers().get(DATE)?.to_str().ok()?;
    let server = OffsetDateTime::parse(date, &Rfc2822).ok()?;
    let apart = (OffsetDateTime::now_utc() - server).abs();
    Some(if apart > SKEW {
        check(
            "clock",
            State::Bad,
            format!("{} s apart from the server's", apart.whole_seconds()),
        )
    } else {
        check("clock", State::Good, "as the server's")
    })
}

async fn login(mut connection: config::Connection) -> Check {
    connection.patience = 0;
    let client = match Client::new(&connection, Purpose::Read) {
        Ok(client) => client,
        Err(error) => return check("login", State::Bad, format!("{error:#}")),
    };
    match partitions::list(&client).await {
        Ok(listing) => {
            let count = listing.partitions.len();
            check(
                "login",
                State::Good,
                format!("profile {} reads {count} partitions", connection.profile),
            )
        }
        Err(error) => check("login", State::Bad, format!("{error:#}")),
    }
}
