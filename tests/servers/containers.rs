//! Servers as containers: whether a Docker engine answers and has an image, and its start. What is
//! ready is asked of the server itself, never read from its log.

use std::time::Duration;

use anyhow::Context as _;
use testcontainers::bollard::query_parameters::CreateImageOptionsBuilder;
use testcontainers::core::IntoContainerPort as _;
use testcontainers::core::client::docker_client_instance;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _};
use tokio_util::sync::CancellationToken;

use crate::say;

const ENGINE_ANSWERS_WITHIN: Duration = Duration::from_secs(5);
const STARTED_WITHIN: Duration = Duration::from_mins(3);
const PULLED_WITHIN: Duration = Duration::from_mins(10);

/// An image that is named with its tag, and the port that its server listens on.
#[derive(Clone, Copy)]
pub(crate) struct Image {
    pub(crate) name: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) port: u16,
}

impl Image {
    pub(crate) fn request(self) -> ContainerRequest<GenericImage> {
        GenericImage::new(self.name, self.tag)
            .with_exposed_port(self.port.tcp())
            .with_startup_timeout(STARTED_WITHIN)
    }
}

pub(crate) async fn engine_answers() -> bool {
    let asked = async { docker_client_instance().await.ok()?.ping().await.ok() };
    let answered = tokio::time::timeout(ENGINE_ANSWERS_WITHIN, asked).await;
    answered.is_ok_and(|answer| answer.is_some())
}

/// Whether the image is there or can be fetched. An engine that can do neither is no reason to
/// fail: the server is a process then.
pub(crate) async fn has(image: Image, stop: &CancellationToken) -> bool {
    let name = format!("{}:{}", image.name, image.tag);
    let asked = async {
        let docker = docker_client_instance().await?;
        if docker.inspect_image(&name).await.is_ok() {
            return Ok(());
        }
        say(&format!("fetching the image {name}, once"));
        let options = CreateImageOptionsBuilder::new()
            .from_image(image.name)
            .tag(image.tag)
            .build();
        let mut pull = docker.create_image(Some(options), None, None);
        while let Some(step) = futures_util::StreamExt::next(&mut pull).await {
            step?;
        }
        anyhow::Ok(())
    };
    let had = tokio::select! {
        had = tokio::time::timeout(PULLED_WITHIN, asked) => had,
        () = stop.cancelled() => return false,
    };
    match had {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            say(&format!("no image {name}, so without: {error:#}"));
            false
        }
        Err(_) => {
            say(&format!("no image {name} in time, so without"));
            false
        }
    }
}

/// Starts it and gives the address on which this machine reaches it.
pub(crate) async fn start(
    image: Image,
    request: ContainerRequest<GenericImage>,
) -> anyhow::Result<(ContainerAsync<GenericImage>, String)> {
    let failed = || format!("cannot start the container of {}", image.name);
    let container = request.start().await.with_context(failed)?;
    let host = container.get_host().await?;
    let port = container.get_host_port_ipv4(image.port.tcp()).await?;
    Ok((container, format!("{host}:{port}")))
}

/// Removes a container that never answered; the error holds what it printed.
pub(crate) async fn silent(container: ContainerAsync<GenericImage>) -> anyhow::Error {
    let image = container.image().clone();
    let mut printed = container.stdout_to_vec().await.unwrap_or_default();
    printed.extend(container.stderr_to_vec().await.unwrap_or_default());
    let printed = String::from_utf8_lossy(&printed).into_owned();
    let lines: Vec<_> = printed.lines().collect();
    let last = lines[lines.len().saturating_sub(30)..].join("\n");
    let removed = container.rm().await;
    let error = anyhow::anyhow!("{image:?} never answered:\n{last}");
    match removed {
        Ok(()) => error,
        Err(left) => error.context(format!("the container is left: {left}")),
    }
}
