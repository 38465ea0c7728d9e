//! LocalStack with S3 and SQS for the tests: a container, or a process in a virtual environment of
//! the pinned packages.

use std::path::Path;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use testcontainers::ImageExt as _;
use tokio::process::Command;

use crate::containers::{self, Image};
use crate::process::{self, Process};
use crate::running::{self, Running};
use crate::{Site, cache, packages, say};

pub(crate) const IMAGE: Image = Image {
    name: "localstack/localstack",
    tag: "4.13.1",
    port: 4566,
};
const REQUIREMENTS: &str = include_str!("localstack-requirements.txt");
const SETTINGS: [(&str, &str); 8] = [
    ("SERVICES", "s3,sqs"),
    ("EAGER_SERVICE_LOADING", "1"),
    ("STRICT_SERVICE_LOADING", "1"),
    // It asks nobody else for anything.
    ("DISABLE_EVENTS", "1"),
    ("SKIP_SSL_CERT_DOWNLOAD", "1"),
    ("DNS_ADDRESS", "0"),
    // Queue addresses hold the host that was asked, not a name that few machines resolve.
    ("SQS_ENDPOINT_STRATEGY", "path"),
    // Links are refused when they were changed or are too old, as S3 does it.
    ("S3_SKIP_SIGNATURE_VALIDATION", "0"),
];

pub(crate) async fn start(site: &Site) -> anyhow::Result<Running> {
    if site.docker && containers::has(IMAGE, &site.stop).await {
        let request = SETTINGS
            .iter()
            .fold(IMAGE.request(), |request, (name, value)| {
                request.with_env_var(*name, *value)
            });
        let (container, address) = containers::start(IMAGE, request).await?;
        let url = format!("http://{address}");
        return match running::answers(&health(&url), serves).await {
            Ok(()) => Ok(Running::container(url, container)),
            Err(_) => Err(containers::silent(container).await),
        };
    }
    let environment = environment(site).await?;
    let folder = site.folder.of("localstack")?;
    let [port] = system::free_ports()?;
    let address = format!("127.0.0.1:{port}");
    let url = format!("http://{address}");
    let mut command = Command::new(environment.join("bin/python"));
    command
        .args(["-m", "localstack.runtime.main"])
        .envs(SETTINGS)
        .env("GATEWAY_LISTEN", &address)
        .env("LOCALSTACK_HOST", &address)
        .env("FILESYSTEM_ROOT", folder.join("state"))
        .env("HOME", &folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("TMPDIR", &folder)
        .current_dir(&folder);
    let process = Process::start("LocalStack", &mut command, &folder.join("log"))?;
    let process = process.ready(&health(&url), serves, &site.stop).await?;
    Ok(Running::process(url, process))
}

fn health(url: &str) -> String {
    format!("{url}/_localstack/health")
}

/// Both services are loaded.
fn serves(health: &str) -> bool {
    let health: serde_json::Value = serde_json::from_str(health).unwrap_or_default();
    ["s3", "sqs"].iter().all(|service| {
        let state = health["services"][service].as_str();
        matches!(state, Some("available" | "running"))
    })
}

/// The virtual environment with the pinned packages, made at the first run.
async fn environment(site: &Site) -> anyhow::Result<std::path::PathBuf> {
    let (python, version) = packages::python(&site.stop)
        .await
        .context("no Python 3.10 or newer with `venv`")?;
    let digest = <[u8; 32]>::from(Sha256::digest(format!(
        "{}\n{version}\n{REQUIREMENTS}",
        python.display()
    )));
    let digest = digest.map(|byte| format!("{byte:02x}")).concat();
    cache::folder(
        &format!("localstack-{}", &digest[..12]),
        async |folder: &Path| {
            say("installing LocalStack's packages, once");
            let requirements = folder.join("requirements.txt");
            std::fs::write(&requirements, REQUIREMENTS)?;
            let mut venv = Command::new(&python);
            venv.args(["-m", "venv"]).arg(folder);
            process::run(&mut venv, &site.stop).await?;
            let mut pip = Command::new(folder.join("bin/python"));
            pip.args(["-m", "pip", "install", "-q", "--no-deps", "-r"]);
            pip.arg(&requirements);
            process::run(&mut pip, &site.stop).await?;
            Ok(())
        },
    )
    .await
}

/// What Amazon's clients read. Never a developer's own account: whatever the environment says of
/// one is replaced.
pub(crate) fn credentials(command: &mut Command, url: &str) {
    command
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL", url)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    for name in [
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
    ] {
        command.env_remove(name);
    }
}
