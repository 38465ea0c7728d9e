//! `veritrail login`: from a password, a key or a local installation to a
//! remembered login. The password is used once and kept nowhere.

use std::io::{BufRead as _, IsTerminal as _, Write as _, stdin};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use auth_service::Credentials;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::client::{Client, Session, Tokened};
use crate::config;
use crate::print::{Output, Style};
use crate::profile::{Place, Profile};
use postgres::durable;

const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";

pub(crate) async fn run(config: config::Login, output: Output) -> anyhow::Result<ExitCode> {
    let place = Place::named(&config.profile)?;
    // The local administrator's password goes to the local server only.
    let local = config.server.is_none() && config.tenant.is_none() && config.username.is_none();
    let profile = if config.api_key_stdin {
        with_key(&config).await?
    } else if let Some(credentials) = local.then(|| credentials(&config)).transpose()?.flatten() {
        with_credentials(&config, credentials).await?
    } else {
        with_password(&config).await?
    };
    // A renewal of the old login that is under way must not overwrite the new one.
    let _lock = place.lock().await?;
    place.write(&profile)?;

    let Profile {
        server,
        tenant,
        username,
        ..
    } = &profile;
    output.value(&serde_json::json!({
        "profile": config.profile, "server": server, "tenant": tenant, "username": username,
    }))?;
    let who = match (username, tenant) {
        (Some(username), Some(tenant)) => format!("{username} of {tenant}"),
        (Some(username), None) => format!("operator {username}"),
        _ => "a service account".to_owned(),
    };
    output.say(&format!(
        "logged in at {server} as {}",
        output.paint(Style::Bold, &who)
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The credentials of the installation in the data directory, where it is there.
fn credentials(config: &config::Login) -> anyhow::Result<Option<Credentials>> {
    Credentials::read(&config.data.join(crate::up::CREDENTIALS))
}

/// The admin of a local installation, and its service account for appending.
async fn with_credentials(
    config: &config::Login,
    credentials: Credentials,
) -> anyhow::Result<Profile> {
    let server = address(config)?;
    let password = SecretString::from(credentials.admin.password);
    let (tenant, username) = (Some(credentials.tenant), credentials.admin.username);
    let mut profile = authenticate(server, tenant, username, &password).await?;
    profile.api_key = Some(credentials.service.api_key);
    profile.origin = Some(credentials.origin);
    Ok(profile)
}

/// Where the local installation says that it listens.
fn address(config: &config::Login) -> anyhow::Result<Url> {
    let path = config.data.join("address");
    let Some(text) = durable::read(&path)? else {
        bail!(
            "`veritrail up` is not running on {}: start it first",
            config.data.display()
        );
    };
    let text = String::from_utf8_lossy(&text);
    Url::parse(text.trim()).with_context(|| format!("{} holds no address", path.display()))
}

async fn with_password(config: &config::Login) -> anyhow::Result<Profile> {
    let server = server(config)?;
    let (tenant, username) = match &config.username {
        Some(username) => (config.tenant.clone(), username.clone()),
        None => who(config)?,
    };
    let password = if config.password_stdin || !stdin().is_terminal() {
        line_of_stdin("password")?
    } else {
        rpassword::prompt_password("Password: ")
            .context("cannot ask for the password")?
            .into()
    };
    authenticate(server, tenant, username, &password).await
}

/// Asks for tenant and name.
fn who(config: &config::Login) -> anyhow::Result<(Option<String>, String)> {
    if !stdin().is_terminal() {
        bail!("who? name --tenant and --username, or give an API key to --api-key-stdin");
    }
    let tenant = match &config.tenant {
        Some(tenant) => tenant.clone(),
        None => ask("Tenant (empty for an operator): ")?,
    };
    Ok((
        Some(tenant).filter(|tenant| !tenant.is_empty()),
        ask("Username: ")?,
    ))
}

/// A key is tried once, so that a wrong one is told now, and its tenant known.
async fn with_key(config: &config::Login) -> anyhow::Result<Profile> {
    #[derive(serde::Deserialize)]
    struct Exchanged {
        access_token: String,
    }
    let key = line_of_stdin("API key")?;
    if !key.expose_secret().starts_with("vtk_") {
        bail!("that is no API key: they begin with vtk_");
    }
    let server = server(config)?;
    let client = Client::with(server.clone(), Session::Nobody, Duration::ZERO)?;
    let parameters = [
        ("grant_type", "client_credentials"),
        ("client_secret", key.expose_secret()),
    ];
    let answer = client.post_form("oauth/token", &parameters).await?;
    let exchanged: Exchanged = answer.json().await.context("no token in the answer")?;
    let tenant = claimed_tenant(&exchanged.access_token);
    if config.tenant.is_some() && config.tenant != tenant {
        bail!(
            "that is an API key of the tenant {}",
            tenant.unwrap_or_default()
        );
    }
    Ok(Profile {
        server,
        tenant,
        origin: None,
        username: None,
        tokens: None,
        api_key: Some(key.expose_secret().to_owned()),
    })
}

/// The tenant that a token names (RFC 7519). Nothing rests on it but what is shown.
fn claimed_tenant(token: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Claims {
        tenant: Option<String>,
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok()?.tenant
}

fn server(config: &config::Login) -> anyhow::Result<Url> {
    match &config.server {
        Some(server) => Ok(server.clone()),
        None => address(config).or_else(|_| Ok(Url::parse(DEFAULT_SERVER)?)),
    }
}

async fn authenticate(
    server: Url,
    tenant: Option<String>,
    username: String,
    password: &SecretString,
) -> anyhow::Result<Profile> {
    let client = Client::with(server.clone(), Session::Nobody, Duration::ZERO)?;
    let mut body = serde_json::json!({"username": username, "password": password.expose_secret()});
    if let Some(tenant) = &tenant {
        body["tenant_code"] = tenant.as_str().into();
    }
    let answer = client.post_once("api/v1/auth/token", &body).await?;
    let tokens: Tokened = answer.json().await.context("no token in the answer")?;
    Ok(Profile {
        server,
        tenant,
        origin: None,
        username: Some(username),
        tokens: Some(tokens.into()),
        api_key: None,
    })
}

fn ask(question: &str) -> anyhow::Result<String> {
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{question}")?;
    stderr.flush()?;
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

fn line_of_stdin(what: &str) -> anyhow::Result<SecretString> {
    let mut line = String::new();
    stdin()
        .lock()
        .read_line(&mut line)
        .with_context(|| format!("cannot read the {what}"))?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        bail!("no {what} on standard input");
    }
    Ok(line.to_owned().into())
}
